// SPDX-License-Identifier: GPL-2.0-only
/* The files in /sys/hypervisor. What they say is decided in Rust; see linux/src/hypervisor.rs. */
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "xenpv.h"

struct xenpv_hypervisor_attribute {
	struct kobj_attribute attr;
	enum xenpv_hypervisor_file file;
};

static ssize_t (*xenpv_hypervisor_show)(enum xenpv_hypervisor_file file, char *into, size_t room);

static ssize_t xenpv_hypervisor_read(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return xenpv_hypervisor_show(container_of(attr, struct xenpv_hypervisor_attribute, attr)->file, buf, PAGE_SIZE);
}

#define XENPV_HYPERVISOR_FILE(name, which)						\
static struct xenpv_hypervisor_attribute xenpv_hypervisor_##name = {			\
	.attr = __ATTR(name, 0444, xenpv_hypervisor_read, NULL),			\
	.file = which,									\
}

#define XENPV_HYPERVISOR_GROUP(variable, directory, ...)				\
static struct attribute *variable##_files[] = { __VA_ARGS__, NULL };			\
static const struct attribute_group variable = { .name = directory, .attrs = variable##_files }

XENPV_HYPERVISOR_FILE(type, XENPV_HYPERVISOR_TYPE);
XENPV_HYPERVISOR_FILE(guest_type, XENPV_HYPERVISOR_GUEST_TYPE);
XENPV_HYPERVISOR_FILE(uuid, XENPV_HYPERVISOR_UUID);
XENPV_HYPERVISOR_GROUP(xenpv_hypervisor_top, NULL, &xenpv_hypervisor_type.attr.attr,
		       &xenpv_hypervisor_guest_type.attr.attr, &xenpv_hypervisor_uuid.attr.attr);

XENPV_HYPERVISOR_FILE(major, XENPV_HYPERVISOR_MAJOR);
XENPV_HYPERVISOR_FILE(minor, XENPV_HYPERVISOR_MINOR);
XENPV_HYPERVISOR_FILE(extra, XENPV_HYPERVISOR_EXTRA);
XENPV_HYPERVISOR_GROUP(xenpv_hypervisor_version, "version", &xenpv_hypervisor_major.attr.attr,
		       &xenpv_hypervisor_minor.attr.attr, &xenpv_hypervisor_extra.attr.attr);

XENPV_HYPERVISOR_FILE(compiler, XENPV_HYPERVISOR_COMPILER);
XENPV_HYPERVISOR_FILE(compiled_by, XENPV_HYPERVISOR_COMPILED_BY);
XENPV_HYPERVISOR_FILE(compile_date, XENPV_HYPERVISOR_COMPILE_DATE);
XENPV_HYPERVISOR_GROUP(xenpv_hypervisor_compilation, "compilation", &xenpv_hypervisor_compiler.attr.attr,
		       &xenpv_hypervisor_compiled_by.attr.attr, &xenpv_hypervisor_compile_date.attr.attr);

XENPV_HYPERVISOR_FILE(capabilities, XENPV_HYPERVISOR_CAPABILITIES);
XENPV_HYPERVISOR_FILE(changeset, XENPV_HYPERVISOR_CHANGESET);
XENPV_HYPERVISOR_FILE(virtual_start, XENPV_HYPERVISOR_VIRTUAL_START);
XENPV_HYPERVISOR_FILE(pagesize, XENPV_HYPERVISOR_PAGESIZE);
XENPV_HYPERVISOR_FILE(features, XENPV_HYPERVISOR_FEATURES);
XENPV_HYPERVISOR_FILE(buildid, XENPV_HYPERVISOR_BUILDID);
XENPV_HYPERVISOR_GROUP(xenpv_hypervisor_properties, "properties", &xenpv_hypervisor_capabilities.attr.attr,
		       &xenpv_hypervisor_changeset.attr.attr, &xenpv_hypervisor_virtual_start.attr.attr,
		       &xenpv_hypervisor_pagesize.attr.attr, &xenpv_hypervisor_features.attr.attr,
		       &xenpv_hypervisor_buildid.attr.attr);

static const struct attribute_group *xenpv_hypervisor_groups[] = {
	&xenpv_hypervisor_top,
	&xenpv_hypervisor_version,
	&xenpv_hypervisor_compilation,
	&xenpv_hypervisor_properties,
	NULL
};

#ifdef CONFIG_SYS_HYPERVISOR
/* The kernel has made the directory, for whoever has a hypervisor to tell of. */
static struct kobject *xenpv_hypervisor_directory(void)
{
	return kobject_get(hypervisor_kobj);
}
#else
static struct kobject *xenpv_hypervisor_directory(void)
{
	return kobject_create_and_add("hypervisor", NULL);
}
#endif

static struct kobject *xenpv_hypervisor;

/* Shows the files. Each is filled by show, which says how many bytes it wrote or an error. */
int xenpv_hypervisor_register(ssize_t (*show)(enum xenpv_hypervisor_file file, char *into, size_t room))
{
	int err;

	xenpv_hypervisor = xenpv_hypervisor_directory();
	if (!xenpv_hypervisor)
		return -ENOMEM;
	xenpv_hypervisor_show = show;
	err = sysfs_create_groups(xenpv_hypervisor, xenpv_hypervisor_groups);
	if (err)
		kobject_put(xenpv_hypervisor);
	return err;
}

/* No file is being read after this. */
void xenpv_hypervisor_unregister(void)
{
	sysfs_remove_groups(xenpv_hypervisor, xenpv_hypervisor_groups);
	kobject_put(xenpv_hypervisor);
}
