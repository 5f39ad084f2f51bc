// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device files that processes map: see linux/src/area.rs. The pages are put in at once, and each mapping of one counts
 * as a reference to it.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "xenpv.h"

static const struct xenpv_file_hooks *xenpv_area_hooks(const struct vm_area_struct *vma)
{
	const struct xenpv_file *file = vma->vm_file->private_data;

	return file->hooks;
}

/* A fork, or a part of an area that becomes one of its own. */
static void xenpv_area_open(struct vm_area_struct *vma)
{
	xenpv_area_hooks(vma)->map_open(vma->vm_private_data);
}

/* The area has no page any more. The file is still there. */
static void xenpv_area_close(struct vm_area_struct *vma)
{
	xenpv_area_hooks(vma)->map_close(vma->vm_private_data);
}

static const struct vm_operations_struct xenpv_area_operations = {
	.open = xenpv_area_open,
	.close = xenpv_area_close,
};

int xenpv_area_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct xenpv_file *this = file->private_data;
	struct xenpv_area area = {
		.first = vma->vm_pgoff,
		.pages = vma_pages(vma),
		.writable = vma->vm_flags & VM_WRITE,
	};
	void *mapping;

	if (!this->hooks->map)
		return -ENODEV;
	/* A private area would have copies, of which the other domain sees nothing. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	mapping = this->hooks->map(this->data, vma, &area);
	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	if (area.readonly)
		vm_flags_clear(vma, VM_MAYWRITE);
	vma->vm_private_data = mapping;
	vma->vm_ops = &xenpv_area_operations;
	return 0;
}

/* Puts the page at a page_address() into an area that is being mapped. */
int xenpv_area_insert(struct vm_area_struct *vma, u64 index, void *page)
{
	if (index >= vma_pages(vma))
		return -EINVAL;
	return vm_insert_page(vma, vma->vm_start + (index << PAGE_SHIFT), virt_to_page(page));
}

static bool xenpv_area_is_of(const struct vm_area_struct *vma, const void *file)
{
	const struct xenpv_file *this;

	if (vma->vm_ops != &xenpv_area_operations)
		return false;
	this = vma->vm_file->private_data;
	return this->data == file;
}

/* Calls found() with the mapping of the area that begins at the address, if it is one of the file's. */
bool xenpv_area_find(const void *file, u64 address, void (*found)(const void *mapping, void *data), void *data)
{
	const struct vm_area_struct *vma;
	bool is;

	if (!current->mm)
		return false;
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, address);
	is = vma && vma->vm_start == address && xenpv_area_is_of(vma, file);
	if (is)
		found(vma->vm_private_data, data);
	mmap_read_unlock(current->mm);
	return is;
}
