// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device files in /dev: the kernel crate's miscdevice cannot be polled. What a file is and does is decided in Rust,
 * through the hooks; see linux/src/file.rs.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "xenpv.h"

struct xenpv_file_device {
	struct miscdevice misc;
	const struct xenpv_file_hooks *hooks;
};

static bool xenpv_file_nonblocking(const struct file *file)
{
	return file->f_flags & O_NONBLOCK;
}

static int xenpv_file_open(struct inode *inode, struct file *file)
{
	const struct xenpv_file_device *device = container_of(file->private_data, struct xenpv_file_device, misc);
	struct xenpv_file *this = kmalloc(sizeof(*this), GFP_KERNEL_ACCOUNT);

	if (!this)
		return -ENOMEM;
	this->hooks = device->hooks;
	this->data = this->hooks->open();
	if (IS_ERR(this->data)) {
		int err = PTR_ERR(this->data);

		kfree(this);
		return err;
	}
	file->private_data = this;
	/* No position, and so no lock over it: one thread may write while another waits in read. */
	return stream_open(inode, file);
}

static int xenpv_file_release(struct inode *inode, struct file *file)
{
	struct xenpv_file *this = file->private_data;

	this->hooks->release(this->data);
	kfree(this);
	return 0;
}

static ssize_t xenpv_file_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct xenpv_file *this = file->private_data;

	return this->hooks->read(this->data, (void __force *)to, len, xenpv_file_nonblocking(file));
}

static ssize_t xenpv_file_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct xenpv_file *this = file->private_data;

	return this->hooks->write(this->data, (void __force *)from, len, xenpv_file_nonblocking(file));
}

static __poll_t xenpv_file_poll(struct file *file, poll_table *wait)
{
	struct xenpv_file *this = file->private_data;
	struct wait_queue_head *queue;
	__poll_t mask = 0;
	u32 ready;

	queue = this->hooks->queue(this->data);
	if (queue)
		poll_wait(file, queue, wait);
	ready = this->hooks->ready(this->data);
	if (ready & XENPV_FILE_READABLE)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (ready & XENPV_FILE_WRITABLE)
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (ready & XENPV_FILE_ERROR)
		mask |= EPOLLERR;
	return mask;
}

static long xenpv_file_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct xenpv_file *this = file->private_data;

	return this->hooks->ioctl(this->data, command, argument);
}

/* Open files keep the module. */
static const struct file_operations xenpv_file_operations = {
	.owner = THIS_MODULE,
	.open = xenpv_file_open,
	.release = xenpv_file_release,
	.read = xenpv_file_read,
	.write = xenpv_file_write,
	.poll = xenpv_file_poll,
	.unlocked_ioctl = xenpv_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = xenpv_area_mmap,
};

/* Shows /dev/NAME, for the administrator alone. Name and hooks outlive the device. */
struct xenpv_file_device *xenpv_file_register(const char *name, const struct xenpv_file_hooks *hooks)
{
	struct xenpv_file_device *device = kzalloc(sizeof(*device), GFP_KERNEL);
	int err;

	if (!device)
		return ERR_PTR(-ENOMEM);
	device->misc.minor = MISC_DYNAMIC_MINOR;
	device->misc.name = name;
	device->misc.mode = 0600;
	device->misc.fops = &xenpv_file_operations;
	device->hooks = hooks;
	err = misc_register(&device->misc);
	if (!err)
		return device;
	kfree(device);
	return ERR_PTR(err);
}

/* No file is being opened any more when this returns; those that are open stay so. */
void xenpv_file_unregister(struct xenpv_file_device *device)
{
	misc_deregister(&device->misc);
	kfree(device);
}
