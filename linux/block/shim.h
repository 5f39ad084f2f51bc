/* SPDX-License-Identifier: GPL-2.0-only */
/* What the crate linux_block asks of C: inline functions and structures that change between kernel versions. */
#ifndef XENPV_LINUX_BLOCK_SHIM_H
#define XENPV_LINUX_BLOCK_SHIM_H

#include <linux/blk-mq.h>
#include <linux/types.h>

/* Mirrored by DiskConfig's raw form in disk.rs. */
struct xenpv_blk_config {
	char name[DISK_NAME_LEN];
	u64 sectors;
	u32 major;
	u32 first_minor;
	u32 minors;
	u32 logical_block;
	u32 physical_block;
	u32 max_sectors;
	bool write_cache;
	bool read_only;
	bool removable;
	bool partitions;
};

/* Given as private_data to every disk; mirrored by Owner in disk.rs. */
struct xenpv_blk_owner {
	/* False when there is no such queue. */
	bool (*read)(const struct xenpv_blk_owner *owner, unsigned int queue, unsigned int counter, u64 *value);
};

struct gendisk *xenpv_blk_alloc_disk(struct blk_mq_tag_set *set, const struct xenpv_blk_config *config,
				     struct xenpv_blk_owner *owner);
int xenpv_blk_add_disk(struct device *parent, struct gendisk *disk);
void xenpv_blk_copy(struct request *rq, u8 *const *pages, size_t bytes, bool to_request);
bool xenpv_blk_add_to_batch(struct request *rq, struct io_comp_batch *batch, bool failed);

#endif
