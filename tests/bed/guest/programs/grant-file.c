/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usage: grant-file CASE [ARGUMENT ...]
 *
 * /dev/xen/gntalloc and /dev/xen/gntdev by their ioctls, as libxengnttab uses them. It runs in the guest with our
 * devices, and in dom0, with Linux's own, to be the other side.
 *
 *   share DOMID COUNT [PORT]  shares pages, prints their references, and waits to be killed; byte 0 of each is its number
 *   share-read DOMID          shares one page that may only be read
 *   hold DOMID REF ...        maps pages, prints "ready", and waits to be killed; then byte 9 of the first becomes 0
 *   see DOMID REF BYTE VALUE  maps a page and compares a byte
 *   alloc, alloc-limit LIMIT  all of gntalloc that needs no other side
 *   map DOMID REF ...         all of gntdev that needs pages shared by "share" (at least 4)
 *   readonly DOMID REF        a page that may only be read
 *   refusals, copy DOMID REF REF
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define MAX 2048
#define COMMAND(number, size) _IOC(_IOC_NONE, 'G', number, size)
#define MAP_REFS COMMAND(0, 24)
#define UNMAP_REFS COMMAND(1, 16)
#define OFFSET_OF COMMAND(2, 24)
#define SET_MAX COMMAND(3, 4)
#define ALLOC COMMAND(5, 24)
#define DEALLOC COMMAND(6, 16)
#define NOTIFY COMMAND(7, 16)
#define COPY COMMAND(8, 16)

struct alloc { uint16_t domid, flags; uint32_t count; uint64_t index; uint32_t refs[MAX]; };
struct range { uint64_t index; uint32_t count, pad; };
struct notify { uint64_t index; uint32_t action, port; };
struct map { uint32_t count, pad; uint64_t index; struct { uint32_t domid, ref; } refs[MAX]; };
struct offset { uint64_t address, offset; uint32_t count, pad; };
struct copy { uint32_t count, pad; uint64_t segments; };
struct end { union { uint64_t address; struct { uint32_t ref; uint16_t offset, domid; }; }; };
struct segment { struct end source, dest; uint16_t len, flags; int16_t status; uint16_t pad; };

static void check(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "grant-file: %s (errno %d)\n", what, errno);
		exit(1);
	}
}

/* The call must fail with this error. */
#define REFUSED(call, error) \
	do { errno = 0; check((long)(call) == -1 && errno == (error), "not refused as it should be: " #call); } while (0)

static int open_device(const char *name)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/xen/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	check(fd >= 0, path);
	return fd;
}

static volatile uint8_t *map_pages(int fd, uint64_t index, unsigned int count, int protection)
{
	void *pages = mmap(NULL, count * PAGE, protection, MAP_SHARED, fd, index);

	return pages == MAP_FAILED ? NULL : pages;
}

static struct alloc *alloc_pages(int fd, int domid, unsigned int count, int flags)
{
	struct alloc *alloc = calloc(1, sizeof(*alloc));

	alloc->domid = domid;
	alloc->flags = flags;
	alloc->count = count;
	if (!ioctl(fd, ALLOC, alloc))
		return alloc;
	free(alloc);
	return NULL;
}

static void wait_to_be_killed(void)
{
	fflush(stdout);
	for (;;)
		pause();
}

static void share(int domid, unsigned int count, int flags, unsigned int port)
{
	int fd = open_device("gntalloc");
	struct alloc *alloc = alloc_pages(fd, domid, count, flags);
	volatile uint8_t *pages;

	check(alloc != NULL, "ALLOC_GREF");
	pages = map_pages(fd, alloc->index, count, PROT_READ | PROT_WRITE);
	check(pages != NULL, "mmap");
	for (unsigned int i = 0; i < count; i++) {
		memset((void *)(pages + i * PAGE), i + 1, PAGE);
		printf("%u ", alloc->refs[i]);
	}
	if (port)
		check(!ioctl(fd, NOTIFY, &(struct notify){ alloc->index + 5, 3, port }), "SET_UNMAP_NOTIFY");
	printf("\n");
	/* As libxengnttab does: what is mapped stays. */
	check(!ioctl(fd, DEALLOC, &(struct range){ alloc->index, count, 0 }), "DEALLOC_GREF");
	wait_to_be_killed();
}

static void test_alloc(void)
{
	int fd = open_device("gntalloc"), other = open_device("gntalloc");
	struct alloc *a = alloc_pages(fd, 0, 3, 1), *b = alloc_pages(fd, 0, 2, 0), *c;
	volatile uint8_t *all, *again;
	char byte;

	check(a && b && a->index == 0 && b->index == 3 * PAGE, "places");
	all = map_pages(fd, 0, 5, PROT_READ | PROT_WRITE);
	check(all != NULL, "mmap over two allocations");
	for (unsigned int i = 0; i < 5 * PAGE; i++)
		check(all[i] == 0, "a page is not empty");
	all[4 * PAGE] = 7;
	again = map_pages(fd, b->index, 2, PROT_READ);
	check(again && again[PAGE] == 7, "another mapping");
	REFUSED(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, other, 0), ENOENT);
	REFUSED(mmap(NULL, 6 * PAGE, PROT_READ, MAP_SHARED, fd, 0), ENOENT);
	REFUSED(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
	/* A hole, a part of it used again. */
	check(!ioctl(fd, DEALLOC, &(struct range){ PAGE, 3, 0 }), "DEALLOC_GREF");
	REFUSED(ioctl(fd, DEALLOC, &(struct range){ PAGE, 1, 0 }), ENOENT);
	REFUSED(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0), ENOENT);
	c = alloc_pages(fd, 0, 2, 1);
	check(c && c->index == PAGE, "the hole is used again");
	check(all[4 * PAGE] == 7, "what was given up is mapped still");
	/* Parts, children, and the file's end. */
	check(!munmap((void *)(all + 2 * PAGE), PAGE), "munmap of a part");
	all[3 * PAGE] = 8;
	check(again[0] == 8, "shared");
	close(fd);
	if (fork() == 0) {
		all[3 * PAGE] = 9;
		_exit(0);
	}
	wait(NULL);
	check(again[0] == 9, "shared with a child");
	check(read(other, &byte, 1) < 0 && errno == EINVAL, "read");
	/* Everything else goes with the process. */
}

static void test_alloc_limit(unsigned int limit)
{
	int fd = open_device("gntalloc");
	struct alloc *all = alloc_pages(fd, 0, limit, 1), huge = { .count = UINT32_MAX };

	check(all != NULL, "as many pages as the limit says");
	for (unsigned int i = 0; i < limit; i++)
		check(all->refs[i] >= 8, "a reserved reference");
	REFUSED(ioctl(fd, ALLOC, &(struct alloc){ .count = 1 }), ENOSPC);
	check(!ioctl(fd, DEALLOC, &(struct range){ 0, limit, 0 }), "DEALLOC_GREF");
	REFUSED(ioctl(fd, ALLOC, &huge), ENOSPC);
	huge.count = limit + 1;
	REFUSED(ioctl(fd, ALLOC, &huge), ENOSPC);
	/* The references do not fit where the process wants them: nothing is left. */
	{
		uint8_t *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct alloc *at_end = (void *)(memory + PAGE - 32);

		munmap(memory + PAGE, PAGE);
		for (int i = 0; i < 5; i++) {
			*(uint64_t *)at_end = 1 | (uint64_t)limit << 32;
			REFUSED(ioctl(fd, ALLOC, at_end), EFAULT);
		}
	}
	free(all);
	all = alloc_pages(fd, 0, limit, 1);
	check(all && all->index == 0, "after what was refused");
}

static uint64_t name_refs(int fd, int domid, unsigned int count, char **refs)
{
	static struct map map;

	map.count = count;
	for (unsigned int i = 0; i < count; i++) {
		map.refs[i].domid = domid;
		map.refs[i].ref = strtoul(refs[i], NULL, 0);
	}
	map.index = 1;
	check(!ioctl(fd, MAP_REFS, &map), "MAP_GRANT_REF");
	return map.index;
}

static void test_map(int domid, unsigned int count, char **refs)
{
	int fd = open_device("gntdev"), pipes[2];
	uint64_t first = name_refs(fd, domid, count, refs), second;
	volatile uint8_t *pages, *again;
	struct offset offset;
	struct iovec vector;
	static uint8_t out[PAGE];

	check(first == 0, "the first position");
	pages = map_pages(fd, 0, count, PROT_READ | PROT_WRITE);
	check(pages != NULL, "mmap");
	for (unsigned int i = 0; i < count; i++)
		check(pages[i * PAGE] == (uint8_t)(i + 1) && pages[i * PAGE + PAGE - 1] == (uint8_t)(i + 1), "another content");
	pages[PAGE + 1]++;
	second = name_refs(fd, domid, 2, refs);
	check(second == count * PAGE, "the second position");
	again = map_pages(fd, second, 2, PROT_READ | PROT_WRITE);
	check(again && again[PAGE + 1] == pages[PAGE + 1], "mapped twice");
	offset.address = (uintptr_t)again;
	check(!ioctl(fd, OFFSET_OF, &offset) && offset.offset == second && offset.count == 2, "GET_OFFSET_FOR_VADDR");
	offset.address += PAGE;
	REFUSED(ioctl(fd, OFFSET_OF, &offset), EINVAL);
	offset.address = (uintptr_t)&offset;
	REFUSED(ioctl(fd, OFFSET_OF, &offset), EINVAL);
	/* Given up while mapped: the position is free, the mapping stays. */
	check(!ioctl(fd, UNMAP_REFS, &(struct range){ second, 2, 0 }), "UNMAP_GRANT_REF");
	REFUSED(ioctl(fd, UNMAP_REFS, &(struct range){ second, 2, 0 }), ENOENT);
	REFUSED(ioctl(fd, UNMAP_REFS, &(struct range){ 0, 2, 0 }), ENOENT);
	REFUSED(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, second), EINVAL);
	REFUSED(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), EINVAL);
	check(again[0] == 1, "mapped still");
	/* Parts, moved, in children. */
	check(!munmap((void *)(pages + PAGE), PAGE), "munmap of a part");
	check(pages[0] == 1 && pages[2 * PAGE] == 3, "what is left of the mapping");
	again = mremap((void *)again, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, pages + PAGE * count + 64 * PAGE);
	check(again != MAP_FAILED && again[PAGE] == 2, "mremap");
	REFUSED(mremap((void *)again, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE), EFAULT);
	if (fork() == 0) {
		check(pages[3 * PAGE] == 4, "in a child");
		pages[3 * PAGE + 2] = 0x5a;
		_exit(0);
	}
	wait(NULL);
	check(pages[3 * PAGE + 2] == 0x5a, "what the child wrote");
	/* A page that a pipe refers to is not unmapped before it is read. */
	vector = (struct iovec){ (void *)(pages + 2 * PAGE), PAGE };
	check(!pipe(pipes) && vmsplice(pipes[1], &vector, 1, 0) == (ssize_t)PAGE, "vmsplice");
	check(!munmap((void *)pages, count * PAGE) && !munmap((void *)again, 2 * PAGE), "munmap");
	check(!ioctl(fd, UNMAP_REFS, &(struct range){ 0, count, 0 }), "UNMAP_GRANT_REF");
	usleep(1500000);
	check(read(pipes[0], out, PAGE) == (ssize_t)PAGE && out[0] == 3 && out[PAGE - 1] == 3, "through the pipe");
	check(name_refs(fd, domid, count, refs) == 0, "the position is free again");
	close(fd);
}

static void test_readonly(int domid, char **refs)
{
	int fd = open_device("gntdev");
	uint64_t first = name_refs(fd, domid, 1, refs);
	volatile uint8_t *page;

	REFUSED(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, first), EIO);
	check(!ioctl(fd, NOTIFY, &(struct notify){ 7, 1, 0 }), "SET_UNMAP_NOTIFY");
	page = map_pages(fd, first, 1, PROT_READ);
	check(page && page[0] == 1, "mmap");
	REFUSED(mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE), EACCES);
	REFUSED(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, first), EINVAL);
	REFUSED(ioctl(fd, NOTIFY, &(struct notify){ 8, 1, 0 }), EINVAL);
	/* The notice from before is about a byte that cannot be written. */
}

static void test_refusals(void)
{
	int fd = open_device("gntdev"), alloc = open_device("gntalloc");
	struct map map = { .count = 2, .refs = { { 0, 9999 }, { 0, 5 } } };

	for (unsigned int number = 0; number < 32; number++)
		for (unsigned int size = 0; size < 40; size += 4)
			if (number > 8 || number == 3 || number == 4 || (size != 16 && size != 24))
				REFUSED(ioctl(fd, COMMAND(number, size), &map), ENOTTY);
	REFUSED(ioctl(alloc, MAP_REFS, &map), ENOTTY);
	REFUSED(ioctl(fd, ALLOC, &map), ENOTTY);
	REFUSED(ioctl(fd, MAP_REFS, NULL), EFAULT);
	REFUSED(ioctl(alloc, ALLOC, NULL), EFAULT);
	REFUSED(ioctl(fd, MAP_REFS, &(struct map){ .count = 0 }), EINVAL);
	REFUSED(ioctl(fd, MAP_REFS, &(struct map){ .count = UINT32_MAX }), EINVAL);
	REFUSED(ioctl(fd, MAP_REFS, &(struct map){ .count = 1, .refs = { { 65536, 8 } } }), EINVAL);
	REFUSED(ioctl(fd, UNMAP_REFS, &(struct range){ 0, 1, 0 }), ENOENT);
	REFUSED(ioctl(fd, UNMAP_REFS, &(struct range){ 1, 1, 0 }), ENOENT);
	REFUSED(ioctl(fd, UNMAP_REFS, &(struct range){ UINT64_MAX - 4095, UINT32_MAX, 0 }), ENOENT);
	REFUSED(ioctl(fd, NOTIFY, &(struct notify){ 0, 1, 0 }), ENOENT);
	check(!ioctl(fd, MAP_REFS, &map) && map.index == 0, "references that are none");
	/* Dom0 grants us nothing there; and no mapping is left behind by either reference. */
	REFUSED(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EINVAL);
	REFUSED(ioctl(fd, NOTIFY, &(struct notify){ 0, 4, 0 }), EINVAL);
	REFUSED(ioctl(fd, NOTIFY, &(struct notify){ 0, 2, 4095 }), EINVAL);
	REFUSED(ioctl(fd, NOTIFY, &(struct notify){ 0, 2, 1 }), EINVAL);
	REFUSED(ioctl(alloc, NOTIFY, &(struct notify){ 0, 1, 0 }), ENOENT);
	REFUSED(ioctl(alloc, DEALLOC, &(struct range){ 0, UINT32_MAX, 0 }), ENOENT);
	REFUSED(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 1ul << 40), EINVAL);
	/* Named a second and a third time, up to the limit of 65536 for a file. */
	map.count = 2048;
	for (int i = 0; i < 31; i++)
		check(!ioctl(fd, MAP_REFS, &map), "as many as the limit says");
	REFUSED(ioctl(fd, MAP_REFS, &map), ENOSPC);
}

static struct end local(void *address)
{
	return (struct end){ .address = (uintptr_t)address };
}

static struct end foreign(int domid, char *ref, int offset)
{
	struct end end;

	end.ref = strtoul(ref, NULL, 0);
	end.offset = offset;
	end.domid = domid;
	return end;
}

static int do_copy(int fd, struct segment *segments, unsigned int count)
{
	return ioctl(fd, COPY, &(struct copy){ count, 0, (uintptr_t)segments });
}

static void test_copy(int domid, char **refs)
{
	enum { COUNT = 40, IN = 1, OUT };
	static uint8_t bytes[COUNT * 64], text[] = "what the guest wrote";
	static struct segment many[COUNT];
	int fd = open_device("gntdev");
	struct segment s;

	/* In and out again, in one call: each sees what the one before it has done. */
	struct segment chain[] = {
		{ local(text), foreign(domid, refs[0], 100), sizeof(text), OUT, 1, 0 },
		{ foreign(domid, refs[0], 100), local(bytes), sizeof(text), IN, 1, 0 },
		{ local(bytes), foreign(domid, refs[1], 4096 - sizeof(text)), sizeof(text), OUT, 1, 0 },
		{ foreign(domid, refs[1], 4096 - sizeof(text)), foreign(domid, refs[0], 300), sizeof(text), IN | OUT, 1, 0 },
		{ foreign(domid, refs[0], 300), local(bytes + 1000), sizeof(text), IN, 1, 0 },
	};

	check(!do_copy(fd, chain, 5), "GRANT_COPY");
	for (int i = 0; i < 5; i++)
		check(chain[i].status == 0, "a status");
	check(!memcmp(bytes + 1000, text, sizeof(text)), "what came back");
	for (int i = 0; i < COUNT; i++)
		many[i] = (struct segment){ foreign(domid, refs[0], 100 + i % 10), local(bytes + i * 64), 10, IN, 1, 0 };
	many[17].source.ref = 99999;
	check(!do_copy(fd, many, COUNT), "GRANT_COPY of many");
	for (int i = 0; i < COUNT; i++) {
		check((many[i].status != 0) == (i == 17), "the status of a segment");
		check(i == 17 || !memcmp(bytes + i * 64, text + i % 10, 10), "a segment's bytes");
	}
	check(!do_copy(fd, NULL, 0), "nothing to copy");
	REFUSED(do_copy(fd, NULL, 1), EFAULT);
	REFUSED(do_copy(fd, (void *)(UINTPTR_MAX - 8), UINT32_MAX), EFAULT);
	s = (struct segment){ local(bytes), local(bytes), 8, 0, 0, 0 };
	REFUSED(do_copy(fd, &s, 1), EINVAL);
	s = (struct segment){ foreign(domid, refs[0], 4090), local(bytes), 7, IN, 0, 0 };
	REFUSED(do_copy(fd, &s, 1), EINVAL);
	s = (struct segment){ foreign(domid, refs[0], 0), local(NULL), 8, IN, 0, 0 };
	REFUSED(do_copy(fd, &s, 1), EFAULT);
	s = (struct segment){ local((void *)0xffffffff81000000), foreign(domid, refs[0], 0), 8, OUT, 0, 0 };
	REFUSED(do_copy(fd, &s, 1), EFAULT);
}

static void hold(int domid, unsigned int count, char **refs)
{
	int fd = open_device("gntdev");
	uint64_t first = name_refs(fd, domid, count, refs);
	volatile uint8_t *pages;

	check(!ioctl(fd, NOTIFY, &(struct notify){ first + 9, 1, 0 }), "SET_UNMAP_NOTIFY");
	pages = map_pages(fd, first, count, PROT_READ | PROT_WRITE);
	check(pages != NULL, "mmap");
	pages[9] = 1;
	printf("ready\n");
	wait_to_be_killed();
}

static void see(int domid, char **arguments)
{
	int fd = open_device("gntdev");
	volatile uint8_t *page = map_pages(fd, name_refs(fd, domid, 1, arguments), 1, PROT_READ | PROT_WRITE);

	check(page != NULL, "mmap");
	check(page[atoi(arguments[1])] == atoi(arguments[2]), "another value");
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "";
	int domid = argc > 2 ? atoi(argv[2]) : 0;

	if (!strcmp(which, "share") && argc >= 4)
		share(domid, atoi(argv[3]), 1, argc > 4 ? atoi(argv[4]) : 0);
	else if (!strcmp(which, "share-read") && argc == 3)
		share(domid, 1, 0, 0);
	else if (!strcmp(which, "hold") && argc >= 4)
		hold(domid, argc - 3, argv + 3);
	else if (!strcmp(which, "see") && argc == 6)
		see(domid, argv + 3);
	else if (!strcmp(which, "alloc"))
		test_alloc();
	else if (!strcmp(which, "alloc-limit") && argc == 3)
		test_alloc_limit(atoi(argv[2]));
	else if (!strcmp(which, "map") && argc >= 7)
		test_map(domid, argc - 3, argv + 3);
	else if (!strcmp(which, "readonly") && argc == 4)
		test_readonly(domid, argv + 3);
	else if (!strcmp(which, "refusals"))
		test_refusals();
	else if (!strcmp(which, "copy") && argc == 5)
		test_copy(domid, argv + 3);
	else
		check(0, "no such case");
	return 0;
}
