// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into a load generator, it marks what the generator itself takes
 * for its measured part, so that its start and its end are not counted.
 *
 * fio and iperf3 ask for their processor time where it begins and where it
 * ends. netperf does not; its measured part begins when its last connection
 * is made and ends when that is closed after an orderly shutdown.
 *
 * BENCH_WINDOW is the window's number. A later mark replaces an earlier one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mark.h"

/* The next function of that name. Other libraries' constructors may need it before this one's has run. */
#define NEXT(function)                                                   \
	({                                                               \
		static __typeof__(function) *next;                       \
                                                                         \
		if (!next)                                               \
			*(void **)&next = dlsym(RTLD_NEXT, #function);   \
		next;                                                    \
	})

static uint64_t window;
static bool usage_asked, is_shut, is_over;

__attribute__((constructor)) static void start(void)
{
	const char *number = getenv("BENCH_WINDOW");

	window = number ? strtoull(number, NULL, 10) : 0;
}

int getrusage(__rusage_who_t who, struct rusage *usage)
{
	int result = NEXT(getrusage)(who, usage);

	if (usage_asked)
		mark_close(window);
	else
		mark_open(window);
	usage_asked = true;
	return result;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int result = NEXT(connect)(fd, address, length);

	if (!usage_asked && !is_over)
		mark_open(window);
	return result;
}

int shutdown(int fd, int how)
{
	is_shut = true;
	return NEXT(shutdown)(fd, how);
}

int close(int fd)
{
	int result = NEXT(close)(fd);

	if (is_shut && !usage_asked && !is_over) {
		mark_close(window);
		is_over = true;
	}
	return result;
}
