// SPDX-License-Identifier: GPL-2.0-only
/*
 * A load whose counts are known: what the plugin counts between its marks must
 * be exactly this. Kept equal to tests/bed/src/bench/check.rs.
 *
 *   counted instructions|calls|requests DISK
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mark.h"

#define LOOPS    1000000
#define CALLS    100
#define REQUESTS 64
#define BLOCK    4096

/* The first mark, one instruction, two for each loop; the second mark is not counted. */
static void count_instructions(uint64_t window)
{
	__asm__ volatile(MARK_TEXT(1) "\n\t"
			 "mov %2, %%ecx\n"
			 "1:\tdec %%ecx\n\t"
			 "jnz 1b\n\t"
			 MARK_TEXT(2)
			 : : "D"(window), "S"(0ul), "i"(LOOPS) : "ecx", "cc", "memory");
}

static void count_calls(uint64_t window)
{
	mark_open(window);
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	mark_close(window);
}

/* One after the other, so that each is sent with an event of its own. */
static int count_requests(uint64_t window, const char *disk)
{
	void *buffer = aligned_alloc(BLOCK, BLOCK);
	int fd = open(disk, O_RDONLY | O_DIRECT);

	if (fd < 0 || !buffer)
		return -1;
	mark_open(window);
	for (int i = 0; i < REQUESTS; i++)
		if (pread(fd, buffer, BLOCK, i * BLOCK) != BLOCK)
			return -1;
	mark_close(window);
	close(fd);
	free(buffer);
	return 0;
}

int main(int argc, char **argv)
{
	const char *number = getenv("BENCH_WINDOW");
	uint64_t window = number ? strtoull(number, NULL, 10) : 0;

	if (argc != 3)
		return 2;
	switch (argv[1][0]) {
	case 'i':
		count_instructions(window);
		return 0;
	case 'c':
		count_calls(window);
		return 0;
	case 'r':
		if (!count_requests(window, argv[2]))
			return 0;
		perror(argv[2]);
		return 1;
	}
	return 2;
}
