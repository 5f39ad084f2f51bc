// SPDX-License-Identifier: GPL-2.0-only
/* A subsystem with one device whose files are the driver's: see shim.h, and sysfs.rs for the rules of use. */
#include <linux/capability.h>
#include <linux/slab.h>

#include "shim.h"

struct xenpv_file {
	struct device_attribute attr;
	struct xenpv_subsystem *subsystem;
	u32 index;
};

struct xenpv_subsystem {
	struct bus_type bus;
	struct device device;
	const struct xenpv_attribute *attributes;
	void *data;
	struct attribute_group top;
	struct attribute_group info;
	const struct attribute_group *groups[3];
	/* Two lists, each with room for all and the end mark. */
	struct attribute **lists;
	struct xenpv_file files[];
};

static ssize_t xenpv_file_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct xenpv_file *file = container_of(attr, struct xenpv_file, attr);
	struct xenpv_subsystem *subsystem = file->subsystem;

	return subsystem->attributes[file->index].show(subsystem->data, file->index, buf, PAGE_SIZE);
}

static ssize_t xenpv_file_store(struct device *dev, struct device_attribute *attr, const char *buf, size_t count)
{
	struct xenpv_file *file = container_of(attr, struct xenpv_file, attr);
	struct xenpv_subsystem *subsystem = file->subsystem;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = subsystem->attributes[file->index].store(subsystem->data, file->index, buf, count);
	return err ? err : count;
}

/* The last one who held the device has let go. */
static void xenpv_subsystem_release(struct device *dev)
{
	struct xenpv_subsystem *subsystem = container_of(dev, struct xenpv_subsystem, device);

	kfree(subsystem->lists);
	kfree(subsystem);
}

static void xenpv_subsystem_fill(struct xenpv_subsystem *subsystem, u32 count)
{
	struct attribute **top = subsystem->lists, **info = subsystem->lists + count + 1;
	u32 i;

	for (i = 0; i < count; i++) {
		const struct xenpv_attribute *attribute = &subsystem->attributes[i];
		struct xenpv_file *file = &subsystem->files[i];

		file->subsystem = subsystem;
		file->index = i;
		sysfs_attr_init(&file->attr.attr);
		file->attr.attr.name = attribute->name;
		file->attr.attr.mode = attribute->store ? 0644 : 0444;
		file->attr.show = xenpv_file_show;
		file->attr.store = attribute->store ? xenpv_file_store : NULL;
		*(attribute->info ? info++ : top++) = &file->attr.attr;
	}
	subsystem->top.attrs = subsystem->lists;
	subsystem->info.name = "info";
	subsystem->info.attrs = subsystem->lists + count + 1;
	subsystem->groups[0] = &subsystem->top;
	subsystem->groups[1] = &subsystem->info;
}

/* Makes /sys/devices/system/<name>/<name>0 with the files. Attributes, name and data outlive it. */
struct xenpv_subsystem *xenpv_subsystem_register(const char *name, const struct xenpv_attribute *attributes,
						 u32 count, void *data)
{
	struct xenpv_subsystem *subsystem = kzalloc(struct_size(subsystem, files, count), GFP_KERNEL);
	int err;

	if (!subsystem)
		return ERR_PTR(-ENOMEM);
	subsystem->lists = kcalloc(2 * (count + 1), sizeof(*subsystem->lists), GFP_KERNEL);
	if (!subsystem->lists) {
		kfree(subsystem);
		return ERR_PTR(-ENOMEM);
	}
	subsystem->attributes = attributes;
	subsystem->data = data;
	xenpv_subsystem_fill(subsystem, count);
	subsystem->bus.name = name;
	subsystem->bus.dev_name = name;
	err = subsys_system_register(&subsystem->bus, NULL);
	if (err) {
		kfree(subsystem->lists);
		kfree(subsystem);
		return ERR_PTR(err);
	}
	subsystem->device.bus = &subsystem->bus;
	subsystem->device.groups = subsystem->groups;
	subsystem->device.release = xenpv_subsystem_release;
	err = device_register(&subsystem->device);
	if (err) {
		bus_unregister(&subsystem->bus);
		put_device(&subsystem->device);
		return ERR_PTR(err);
	}
	return subsystem;
}

/* No file is being read or written after this. */
void xenpv_subsystem_unregister(struct xenpv_subsystem *subsystem)
{
	get_device(&subsystem->device);
	device_unregister(&subsystem->device);
	bus_unregister(&subsystem->bus);
	put_device(&subsystem->device);
}
