// SPDX-License-Identifier: GPL-2.0-only
/*
 * The C part of linux_block. It holds what Rust cannot name (inline functions, macros with casts, static
 * attributes) and what differs between kernels, and decides nothing.
 */
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/hdreg.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "../c/xenpv.h"
#include "shim.h"

/* What fdisk and boot loaders believe in: 255 heads of 63 sectors. */
static int xenpv_blk_getgeo(struct gendisk *disk, struct hd_geometry *geometry)
{
	const u32 per_cylinder = 255 * 63;

	geometry->heads = 255;
	geometry->sectors = 63;
	geometry->cylinders = min_t(u64, div_u64(get_capacity(disk), per_cylinder), 0xffff);
	return 0;
}

static const struct block_device_operations xenpv_blk_fops = {
	.owner = THIS_MODULE,
	.getgeo = xenpv_blk_getgeo,
};

/* The order is that of Counter in disk.rs. */
#define XENPV_BLK_COUNTERS(X) X(requests) X(indirect_requests) X(partial_requests) X(responses) X(notifies_sent)	\
	X(notifies_saved) X(spurious_events) X(errors) X(violations) X(persistent_hits) X(pages_granted)	\
	X(grants_in_use) X(deferred_frees)

#define COUNTER_NUMBER(name) XENPV_COUNTER_##name,
enum { XENPV_BLK_COUNTERS(COUNTER_NUMBER) };

/* One line with a value for each hardware queue. */
static ssize_t xenpv_blk_show(struct device *dev, unsigned int counter, char *page)
{
	const struct xenpv_blk_owner *owner = dev_to_disk(dev)->private_data;
	unsigned int queue;
	int at = 0;
	u64 value;

	for (queue = 0; owner->read(owner, queue, counter, &value); queue++)
		at += sysfs_emit_at(page, at, queue ? " %llu" : "%llu", value);
	return at + sysfs_emit_at(page, at, "\n");
}

#define COUNTER_FILE(name)								\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *page)\
{											\
	return xenpv_blk_show(dev, XENPV_COUNTER_##name, page);				\
}											\
static DEVICE_ATTR_RO(name);
XENPV_BLK_COUNTERS(COUNTER_FILE)

#define COUNTER_ENTRY(name) &dev_attr_##name.attr,
static struct attribute *xenpv_blk_attributes[] = { XENPV_BLK_COUNTERS(COUNTER_ENTRY) NULL };

static const struct attribute_group xenpv_blk_group = {
	.name = "xenpv",
	.attrs = xenpv_blk_attributes,
};

static const struct attribute_group *xenpv_blk_groups[] = { &xenpv_blk_group, NULL };

struct gendisk *xenpv_blk_alloc_disk(struct blk_mq_tag_set *set, const struct xenpv_blk_config *config,
				     struct xenpv_blk_owner *owner)
{
	/* Data is copied, so no limit of a segment's place or size is ours, only the sum is. */
	struct queue_limits limits = {
		.logical_block_size = config->logical_block,
		.physical_block_size = config->physical_block,
		.max_hw_sectors = config->max_sectors,
		.max_segments = USHRT_MAX,
		.max_segment_size = UINT_MAX,
		.features = config->write_cache ? BLK_FEAT_WRITE_CACHE : 0,
	};
	struct gendisk *disk = blk_mq_alloc_disk(set, &limits, owner);

	if (IS_ERR(disk))
		return disk;
	strscpy(disk->disk_name, config->name, DISK_NAME_LEN);
	disk->major = config->major;
	disk->first_minor = config->first_minor;
	disk->minors = config->minors;
	disk->fops = &xenpv_blk_fops;
	disk->private_data = owner;
	if (config->removable)
		disk->flags |= GENHD_FL_REMOVABLE;
	if (!config->partitions)
		disk->flags |= GENHD_FL_NO_PART;
	if (config->read_only)
		set_disk_ro(disk, true);
	set_capacity(disk, config->sectors);
	return disk;
}

int xenpv_blk_add_disk(struct device *parent, struct gendisk *disk)
{
	return device_add_disk(parent, disk, xenpv_blk_groups);
}

static __always_inline void xenpv_blk_move(u8 *data, u8 *page, size_t n, bool to_request)
{
	if (to_request)
		xenpv_copy(data, page, n);
	else
		xenpv_copy(page, data, n);
}

static noinline void xenpv_blk_copy_pieces(struct request *rq, u8 *const *pages, size_t bytes, bool to_request)
{
	struct req_iterator iter;
	struct bio_vec bv;
	size_t done = 0;

	rq_for_each_bvec(bv, rq, iter) {
		u8 *data = bvec_virt(&bv);
		size_t left = min_t(size_t, bv.bv_len, bytes - done);

		while (left) {
			u8 *page = pages[done >> PAGE_SHIFT] + offset_in_page(done);
			size_t n = min_t(size_t, left, PAGE_SIZE - offset_in_page(done));

			xenpv_blk_move(data, page, n, to_request);
			data += n;
			done += n;
			left -= n;
		}
		if (done == bytes)
			break;
	}
}

/*
 * Copies the first bytes of rq's data from or to the pages, which they fill without gaps. The caller has seen that the
 * pages have room for them, and that rq has so many. There is no high memory where this driver builds, so a bvec has an
 * address.
 */
void xenpv_blk_copy(struct request *rq, u8 *const *pages, size_t bytes, bool to_request)
{
	BUILD_BUG_ON(IS_ENABLED(CONFIG_HIGHMEM));
	/* Most requests are one piece in one page. */
	if (rq->bio && bytes <= PAGE_SIZE) {
		struct bio_vec bv = mp_bvec_iter_bvec(rq->bio->bi_io_vec, rq->bio->bi_iter);

		if (bv.bv_len == bytes) {
			xenpv_blk_move(bvec_virt(&bv), pages[0], bv.bv_len, to_request);
			return;
		}
	}
	xenpv_blk_copy_pieces(rq, pages, bytes, to_request);
}

bool xenpv_blk_add_to_batch(struct request *rq, struct io_comp_batch *batch, bool failed)
{
	return blk_mq_add_to_batch(rq, batch, failed, blk_mq_end_request_batch);
}
