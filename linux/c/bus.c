// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bus of Xen's devices: its type, its attributes, its drivers. What a device is and does is decided in Rust, through
 * the hooks; see linux/src/bus.rs. "xen" is the name of the kernel's own bus, which is there even off Xen.
 */
#include <linux/device.h>
#include <linux/device/bus.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

#include "xenpv.h"

struct xenpv_driver {
	struct device_driver driver;
	const char *devtype;
	const void *data;
};

static const struct xenpv_bus_hooks *xenpv_hooks;
static unsigned int xenpv_devices;	/* not released yet; under the lock of xenpv_released */
static DECLARE_WAIT_QUEUE_HEAD(xenpv_released);

static const struct xenpv_driver *to_xenpv_driver(const struct device_driver *driver)
{
	return container_of_const(driver, struct xenpv_driver, driver);
}

static const char *xenpv_text(const struct device *dev, enum xenpv_bus_text which)
{
	return xenpv_hooks->text(dev, which);
}

static int xenpv_bus_match(struct device *dev, const struct device_driver *driver)
{
	return !strcmp(to_xenpv_driver(driver)->devtype, xenpv_text(dev, XENPV_TEXT_DEVTYPE));
}

/* Not "xen:": that would load the kernel's own frontends. */
static int xenpv_bus_uevent(const struct device *dev, struct kobj_uevent_env *env)
{
	return add_uevent_var(env, "MODALIAS=xenpv:%s", xenpv_text(dev, XENPV_TEXT_DEVTYPE));
}

static int xenpv_bus_probe(struct device *dev)
{
	return xenpv_hooks->probe(dev, to_xenpv_driver(dev->driver)->data);
}

static void xenpv_bus_remove(struct device *dev)
{
	xenpv_hooks->remove(dev);
}

static void xenpv_device_release(struct device *dev)
{
	unsigned long flags;

	xenpv_hooks->release(dev);
	spin_lock_irqsave(&xenpv_released.lock, flags);
	if (!--xenpv_devices)
		wake_up_all_locked(&xenpv_released);
	spin_unlock_irqrestore(&xenpv_released.lock, flags);
}

static ssize_t devtype_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", xenpv_text(dev, XENPV_TEXT_DEVTYPE));
}
static DEVICE_ATTR_RO(devtype);

static ssize_t nodename_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", xenpv_text(dev, XENPV_TEXT_NODENAME));
}
static DEVICE_ATTR_RO(nodename);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", xenpv_text(dev, XENPV_TEXT_STATE));
}
static DEVICE_ATTR_RO(state);

static ssize_t modalias_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "xenpv:%s\n", xenpv_text(dev, XENPV_TEXT_DEVTYPE));
}
static DEVICE_ATTR_RO(modalias);

static struct attribute *xenpv_device_attrs[] = {
	&dev_attr_devtype.attr,
	&dev_attr_nodename.attr,
	&dev_attr_state.attr,
	&dev_attr_modalias.attr,
	NULL
};

static const struct attribute_group xenpv_device_group = {
	.attrs = xenpv_device_attrs,
};

/* The event channels' counters, in the directory xenbus of the device, under the names that the kernel's own bus has. */
#define XENPV_NUMBER_SHOW(name, which)								\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
{												\
	return sysfs_emit(buf, "%llu\n", xenpv_hooks->number(dev, which));			\
}

XENPV_NUMBER_SHOW(event_channels, XENPV_NUMBER_EVENT_CHANNELS)
static DEVICE_ATTR_RO(event_channels);
XENPV_NUMBER_SHOW(events, XENPV_NUMBER_EVENTS)
static DEVICE_ATTR_RO(events);
XENPV_NUMBER_SHOW(jiffies_eoi_delayed, XENPV_NUMBER_JIFFIES_EOI_DELAYED)
static DEVICE_ATTR_RO(jiffies_eoi_delayed);
XENPV_NUMBER_SHOW(spurious_events, XENPV_NUMBER_SPURIOUS_EVENTS)
static DEVICE_ATTR_RO(spurious_events);
XENPV_NUMBER_SHOW(spurious_threshold, XENPV_NUMBER_SPURIOUS_THRESHOLD)

static ssize_t spurious_threshold_store(struct device *dev, struct device_attribute *attr, const char *buf, size_t count)
{
	unsigned int threshold;
	int err = kstrtouint(buf, 0, &threshold);

	if (err)
		return err;
	xenpv_hooks->set_spurious_threshold(dev, threshold);
	return count;
}
static DEVICE_ATTR_RW(spurious_threshold);

static struct attribute *xenpv_events_attrs[] = {
	&dev_attr_event_channels.attr,
	&dev_attr_events.attr,
	&dev_attr_jiffies_eoi_delayed.attr,
	&dev_attr_spurious_events.attr,
	&dev_attr_spurious_threshold.attr,
	NULL
};

static const struct attribute_group xenpv_events_group = {
	.name = "xenbus",
	.attrs = xenpv_events_attrs,
};

static const struct attribute_group *xenpv_device_groups[] = {
	&xenpv_device_group,
	&xenpv_events_group,
	NULL
};

static const struct bus_type xenpv_bus = {
	.name = "xenpv",
	.match = xenpv_bus_match,
	.uevent = xenpv_bus_uevent,
	.probe = xenpv_bus_probe,
	.remove = xenpv_bus_remove,
	.dev_groups = xenpv_device_groups,
};

/* One bus at a time; the hooks outlive it. */
int xenpv_bus_register(const struct xenpv_bus_hooks *hooks)
{
	xenpv_hooks = hooks;
	return bus_register(&xenpv_bus);
}

static unsigned int xenpv_devices_live(void)
{
	unsigned int live;

	spin_lock_irq(&xenpv_released.lock);
	live = xenpv_devices;
	spin_unlock_irq(&xenpv_released.lock);
	return live;
}

/* The release hook is code of this module: nobody may hold a device any more when it goes. */
void xenpv_bus_unregister(void)
{
	while (!wait_event_timeout(xenpv_released, !xenpv_devices_live(), 5 * HZ))
		pr_warn("xen-platform-pci: waiting for %u devices that are still in use\n", xenpv_devices_live());
	bus_unregister(&xenpv_bus);
}

/* The device's memory is the caller's, zeroed; from here on put_device ends it, through the release hook. */
void xenpv_device_init(struct device *dev)
{
	spin_lock_irq(&xenpv_released.lock);
	xenpv_devices++;
	spin_unlock_irq(&xenpv_released.lock);
	device_initialize(dev);
	dev->bus = &xenpv_bus;
	dev->release = xenpv_device_release;
}

int xenpv_device_add(struct device *dev, const char *name)
{
	int err = dev_set_name(dev, "%s", name);

	return err ? err : device_add(dev);
}

struct xenpv_driver *xenpv_driver_register(const char *name, const char *devtype, struct module *owner, const void *data)
{
	struct xenpv_driver *driver = kzalloc(sizeof(*driver), GFP_KERNEL);
	int err;

	if (!driver)
		return ERR_PTR(-ENOMEM);
	driver->driver.name = name;
	driver->driver.bus = &xenpv_bus;
	driver->driver.owner = owner;
	driver->devtype = devtype;
	driver->data = data;
	err = driver_register(&driver->driver);
	if (!err)
		return driver;
	kfree(driver);
	return ERR_PTR(err);
}

/* Takes the driver off its devices, each through the remove hook, and waits for that. */
void xenpv_driver_unregister(struct xenpv_driver *driver)
{
	driver_unregister(&driver->driver);
	kfree(driver);
}
