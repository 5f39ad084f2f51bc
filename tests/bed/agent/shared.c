// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory shared by the guest's agent and dom0's: a part of the guest's memory
 * that its kernel was told to leave alone (memmap=), mapped by the guest
 * through /dev/mem and by dom0 as a foreign mapping. It needs no driver in the
 * guest and costs no VM exit a byte, and it survives snapshot, save, restore
 * and migration.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
/* As many as memmap= in src/guest.rs keeps from the kernel. */
#define LINK_PAGES 512u
#define RING_SIZE (512u * 1024u)
#define TO_GUEST_OFFSET (512u * 1024u)
#define FROM_GUEST_OFFSET (1024u * 1024u)

struct ring_index {
	_Atomic uint32_t produced;
	char pad1[60];
	_Atomic uint32_t consumed;
	char pad2[60];
};

struct shared_header {
	struct ring_index to_guest;
	struct ring_index from_guest;
};

struct shared_link {
	struct shared_header *header;
	char *base;
	size_t size;
};

/* As in the kernel's include/uapi/xen/privcmd.h. */
struct mmapbatch_v2 {
	unsigned int num;
	uint16_t dom;
	uint64_t addr;
	const unsigned long *arr;
	int *err;
};
#define IOCTL_MMAPBATCH_V2 _IOC(_IOC_NONE, 'P', 4, sizeof(struct mmapbatch_v2))

static struct shared_link *link_new(void *base, size_t size)
{
	struct shared_link *link = malloc(sizeof(*link));

	if (!link) {
		munmap(base, size);
		return NULL;
	}
	link->header = base;
	link->base = base;
	link->size = size;
	return link;
}

struct shared_link *link_open_guest(uint64_t gfn)
{
	size_t size = (size_t)LINK_PAGES * PAGE;
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	void *base;

	if (fd < 0)
		return NULL;
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(gfn * PAGE));
	close(fd);
	if (base == MAP_FAILED)
		return NULL;
	memset(base, 0, sizeof(struct shared_header));
	return link_new(base, size);
}

struct shared_link *link_open_foreign(uint32_t domid, uint64_t gfn)
{
	unsigned long frames[LINK_PAGES];
	int errors[LINK_PAGES] = { 0 };
	size_t size = (size_t)LINK_PAGES * PAGE;
	struct mmapbatch_v2 batch = { .num = LINK_PAGES, .dom = (uint16_t)domid, .arr = frames, .err = errors };
	void *base;
	int fd, failed;

	for (uint32_t i = 0; i < LINK_PAGES; i++)
		frames[i] = (unsigned long)(gfn + i);
	fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		close(fd);
		return NULL;
	}
	batch.addr = (uint64_t)(uintptr_t)base;
	failed = ioctl(fd, IOCTL_MMAPBATCH_V2, &batch) < 0;
	close(fd);
	for (uint32_t i = 0; i < LINK_PAGES && !failed; i++) {
		if (errors[i]) {
			errno = -errors[i];
			failed = 1;
		}
	}
	if (failed) {
		munmap(base, size);
		return NULL;
	}
	return link_new(base, size);
}

void link_close(struct shared_link *link)
{
	munmap(link->base, link->size);
	free(link);
}

static size_t ring_read(struct ring_index *index, const char *ring, char *data, size_t len)
{
	uint32_t consumed = atomic_load_explicit(&index->consumed, memory_order_relaxed);
	uint32_t produced = atomic_load_explicit(&index->produced, memory_order_acquire);
	uint32_t count = produced - consumed;

	if (count > RING_SIZE)
		return 0;
	if (count > len)
		count = (uint32_t)len;
	for (uint32_t i = 0; i < count;) {
		uint32_t at = (consumed + i) % RING_SIZE;
		uint32_t part = RING_SIZE - at < count - i ? RING_SIZE - at : count - i;

		memcpy(data + i, ring + at, part);
		i += part;
	}
	atomic_store_explicit(&index->consumed, consumed + count, memory_order_release);
	return count;
}

static size_t ring_write(struct ring_index *index, char *ring, const char *data, size_t len)
{
	uint32_t produced = atomic_load_explicit(&index->produced, memory_order_relaxed);
	uint32_t consumed = atomic_load_explicit(&index->consumed, memory_order_acquire);
	uint32_t space = RING_SIZE - (produced - consumed);
	uint32_t count = len < space ? (uint32_t)len : space;

	if (produced - consumed > RING_SIZE)
		return 0;
	for (uint32_t i = 0; i < count;) {
		uint32_t at = (produced + i) % RING_SIZE;
		uint32_t part = RING_SIZE - at < count - i ? RING_SIZE - at : count - i;

		memcpy(ring + at, data + i, part);
		i += part;
	}
	atomic_store_explicit(&index->produced, produced + count, memory_order_release);
	return count;
}

size_t link_guest_read(struct shared_link *link, void *data, size_t len)
{
	return ring_read(&link->header->to_guest, link->base + TO_GUEST_OFFSET, data, len);
}

size_t link_guest_write(struct shared_link *link, const void *data, size_t len)
{
	return ring_write(&link->header->from_guest, link->base + FROM_GUEST_OFFSET, data, len);
}

size_t link_dom0_read(struct shared_link *link, void *data, size_t len)
{
	return ring_read(&link->header->from_guest, link->base + FROM_GUEST_OFFSET, data, len);
}

size_t link_dom0_write(struct shared_link *link, const void *data, size_t len)
{
	return ring_write(&link->header->to_guest, link->base + TO_GUEST_OFFSET, data, len);
}
