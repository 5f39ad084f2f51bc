/* SPDX-License-Identifier: GPL-2.0-only */
/* The C shims: what the Rust side of linux/ calls because C has it inline, as a macro, or in a shifting shape. */
#ifndef XENPV_H
#define XENPV_H

#include <linux/interrupt.h>
#include <linux/types.h>

/* emulated.c; mirrored by RawEmulated in linux/src/emulated.rs */
struct device;

struct xenpv_emulated {
	const char *name;
	u32 openers;	/* of a disk */
	u32 port;
	u32 device;
	u16 class;	/* the PCI function's, upper 16 bits */
	u8 disk;	/* it is a disk, not a PCI function */
	u8 cdrom;
	u8 placed;	/* port and device are known */
};

int xenpv_emulated_find(struct device **found, u32 room);
void xenpv_emulated_put(struct device *dev);
void xenpv_emulated_describe(struct device *dev, struct xenpv_emulated *out);
void xenpv_emulated_detach(struct device *disk);
void xenpv_emulated_remove(struct device *function);
void xenpv_emulated_rescan(void);
void xenpv_emulated_save(struct device *function);
void xenpv_emulated_restore(struct device *function);

/* area.c; mirrored by RawArea in linux/src/area.rs */
struct file;
struct vm_area_struct;

struct xenpv_area {	/* what a process asks for */
	u64 first;	/* page of the file */
	u64 pages;
	bool writable;
	bool readonly;	/* answer: it must never become writable */
};

int xenpv_area_mmap(struct file *file, struct vm_area_struct *vma);
int xenpv_area_insert(struct vm_area_struct *vma, u64 index, void *page);
bool xenpv_area_find(const void *file, u64 address, void (*found)(const void *mapping, void *data), void *data);

/* file.c; mirrored by Ready and RawHooks in linux/src/file.rs */
struct wait_queue_head;
struct xenpv_file_device;

#define XENPV_FILE_READABLE	1
#define XENPV_FILE_WRITABLE	2
#define XENPV_FILE_ERROR	4

struct xenpv_file_hooks {	/* the pointers to read to and to write from are the process's own */
	void *(*open)(void);
	void (*release)(void *file);
	ssize_t (*read)(void *file, void *to, size_t len, bool nonblocking);
	ssize_t (*write)(void *file, void *from, size_t len, bool nonblocking);
	u32 (*ready)(void *file);
	struct wait_queue_head *(*queue)(void *file);	/* NULL: what "ready" says does not change */
	long (*ioctl)(void *file, unsigned int command, unsigned long argument);
	/* Those below are NULL for a file that cannot be mapped. */
	void *(*map)(void *file, struct vm_area_struct *vma, struct xenpv_area *area);
	void (*map_open)(void *mapping);
	void (*map_close)(void *mapping);
};

struct xenpv_file {	/* what an open file's private data points to */
	const struct xenpv_file_hooks *hooks;
	void *data;
};

struct xenpv_file_device *xenpv_file_register(const char *name, const struct xenpv_file_hooks *hooks);
void xenpv_file_unregister(struct xenpv_file_device *device);

/* hypervisor.c; mirrored by File in xen-platform-pci/src/hypervisor.rs */
enum xenpv_hypervisor_file {
	XENPV_HYPERVISOR_TYPE,
	XENPV_HYPERVISOR_GUEST_TYPE,
	XENPV_HYPERVISOR_UUID,
	XENPV_HYPERVISOR_MAJOR,
	XENPV_HYPERVISOR_MINOR,
	XENPV_HYPERVISOR_EXTRA,
	XENPV_HYPERVISOR_COMPILER,
	XENPV_HYPERVISOR_COMPILED_BY,
	XENPV_HYPERVISOR_COMPILE_DATE,
	XENPV_HYPERVISOR_CAPABILITIES,
	XENPV_HYPERVISOR_CHANGESET,
	XENPV_HYPERVISOR_VIRTUAL_START,
	XENPV_HYPERVISOR_PAGESIZE,
	XENPV_HYPERVISOR_FEATURES,
	XENPV_HYPERVISOR_BUILDID,
};

int xenpv_hypervisor_register(ssize_t (*show)(enum xenpv_hypervisor_file file, char *into, size_t room));
void xenpv_hypervisor_unregister(void);

/* irq.c */
struct irq_chip;
struct irq_data;
struct irq_desc;

struct xenpv_irq_place {	/* mirrored by LastInterrupted in linux/src/irq.rs */
	unsigned long task, ip, sp, ax, cx;
};

int xenpv_irq_alloc(struct irq_chip *chip, void *line, struct irq_desc **desc);
void xenpv_irq_free(unsigned int irq);
void *xenpv_irq_line(struct irq_data *data);
void xenpv_irq_deliver(struct irq_desc *desc);
bool xenpv_irq_is_same_place(struct xenpv_irq_place *last);
int xenpv_irq_request(unsigned int irq, irq_handler_t handler, bool shared, const char *name, void *data);
void xenpv_irq_release(unsigned int irq, void *data);
void xenpv_irq_served_by(struct irq_data *data, unsigned int cpu);
int xenpv_irq_set_cpu(unsigned int irq, unsigned int cpu);
int xenpv_irq_place_again(unsigned int irq, bool anywhere);
int xenpv_vector_alloc(unsigned int cpu);
int xenpv_vector_number(unsigned int irq, unsigned int cpu);
void xenpv_vector_free(unsigned int irq);

/* mm.c */
void *xenpv_pages_alloc(gfp_t gfp, unsigned int order);
void xenpv_pages_free(void *pages);
void xenpv_pages_hand_over(void *pages);
u64 xenpv_pages_live(void);
bool xenpv_pages_shared(const void *pages);
u64 xenpv_pages_pfn(const void *pages);
void xenpv_copy(void *into, const void *from, size_t len);

/* panic.c */
int xenpv_panic_register(void (*hook)(void));
void xenpv_panic_unregister(void);

/* pci.c; mirrored by RawDevice in linux/src/pci.rs */
struct xenpv_pci_device {
	u32 irq;
	u16 domain;
	u16 device;
	u8 bus;
	u8 devfn;
	u8 pin;		/* 1 for INTA to 4 for INTD, 0 for none */
	u8 bound;	/* it has a driver */
};

int xenpv_pci_find(struct xenpv_pci_device *found);
int xenpv_pci_claim(struct xenpv_pci_device *claimed);
void xenpv_pci_release(void);
bool xenpv_builtin_xen_active(void);

/* power.c */
bool xenpv_power_off(void);
int xenpv_kexec_register(void (*hook)(void));
void xenpv_kexec_unregister(void);
bool xenpv_restart(void);
void xenpv_sysrq(u8 key);

/* stop.c */
unsigned int xenpv_stop_prepare(void);
void xenpv_stop_over(unsigned int flags);
int xenpv_stop_machine(void (*run)(void *data), void *data);

/* thread.c; mirrored by Sleep in linux/src/thread.rs */
struct task_struct;
struct wait_queue_head;

enum xenpv_sleep {
	XENPV_SLEEP_IDLE,
	XENPV_SLEEP_KILLABLE,
	XENPV_SLEEP_INTERRUPTIBLE,
};

long xenpv_wait(struct wait_queue_head *queue, bool (*condition)(void *data), void *data, s64 msecs, enum xenpv_sleep sleep);
struct task_struct *xenpv_thread_create(int (*function)(void *data), void *data, const char *name);
void xenpv_thread_stop(struct task_struct *task);
bool xenpv_thread_should_stop(void);
bool xenpv_thread_is_current(const struct task_struct *task);
unsigned int xenpv_noio_save(void);
void xenpv_noio_restore(unsigned int flags);
void xenpv_yield(void);
bool xenpv_killed(void);
u64 xenpv_monotonic_ms(void);

/* bus.c; mirrored by Text, Number and RawHooks in linux/src/bus.rs */
struct device;
struct module;
struct xenpv_driver;

enum xenpv_bus_text {
	XENPV_TEXT_DEVTYPE,
	XENPV_TEXT_NODENAME,
	XENPV_TEXT_STATE,
};

enum xenpv_bus_number {
	XENPV_NUMBER_EVENT_CHANNELS,
	XENPV_NUMBER_EVENTS,
	XENPV_NUMBER_JIFFIES_EOI_DELAYED,
	XENPV_NUMBER_SPURIOUS_EVENTS,
	XENPV_NUMBER_SPURIOUS_THRESHOLD,
};

struct xenpv_bus_hooks {
	int (*probe)(struct device *dev, const void *data);
	void (*remove)(struct device *dev);
	void (*release)(struct device *dev);
	const char *(*text)(const struct device *dev, enum xenpv_bus_text which);
	u64 (*number)(const struct device *dev, enum xenpv_bus_number which);
	void (*set_spurious_threshold)(const struct device *dev, unsigned int threshold);
};

int xenpv_bus_register(const struct xenpv_bus_hooks *hooks);
void xenpv_bus_unregister(void);
void xenpv_device_init(struct device *dev);
int xenpv_device_add(struct device *dev, const char *name);
struct xenpv_driver *xenpv_driver_register(const char *name, const char *devtype, struct module *owner, const void *data);
void xenpv_driver_unregister(struct xenpv_driver *driver);

/* clocksource.c; mirrored by RawHooks in linux/src/clocksource.rs */
struct xenpv_clock_hooks {
	u64 (*read)(unsigned int cpu);
	void (*resume)(void);
};

int xenpv_clock_register(const char *name, int rating, const struct xenpv_clock_hooks *hooks);
void xenpv_clock_unregister(void);
u64 xenpv_tsc(void);

/* timer.c */
struct xenpv_timer;

struct xenpv_timer *xenpv_timer_new(void);
void xenpv_timer_start(struct xenpv_timer *timer, u64 nanoseconds, void (*run)(const void *data), const void *data);
void xenpv_timer_free(struct xenpv_timer *timer);

#endif
