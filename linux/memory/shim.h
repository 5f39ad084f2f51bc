/* SPDX-License-Identifier: GPL-2.0-only */
/* What the crate linux_memory asks of C: struct page, the page counters and a subsystem device. */
#ifndef XENPV_LINUX_MEMORY_SHIM_H
#define XENPV_LINUX_MEMORY_SHIM_H

#include <linux/device.h>
#include <linux/list.h>
#include <linux/types.h>

u64 xenpv_memory_present(void);
u64 xenpv_memory_available(void);

struct page *xenpv_balloon_alloc(bool scrub);
void xenpv_balloon_free(struct page *page);
u64 xenpv_balloon_pfn(const struct page *page);
void xenpv_balloon_put_out(struct list_head *list, struct page *page);
u32 xenpv_balloon_peek(const struct list_head *list, u64 *pfns, u32 room);
void xenpv_balloon_take_back(struct list_head *list);
u64 xenpv_balloon_adopt(struct list_head *list);
void xenpv_balloon_relax(void);

/* One sysfs file; mirrored by Attribute in sysfs.rs. show prints at most a page, store says 0 or an error. */
struct xenpv_attribute {
	const char *name;
	bool info;
	ssize_t (*show)(void *data, u32 index, char *into, size_t room);
	int (*store)(void *data, u32 index, const char *from, size_t len);
};

struct xenpv_subsystem;
struct xenpv_subsystem *xenpv_subsystem_register(const char *name, const struct xenpv_attribute *attributes,
						 u32 count, void *data);
void xenpv_subsystem_unregister(struct xenpv_subsystem *subsystem);

#endif
