// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: clocks
 *
 * Prints "ready" and reads the clocks that only move forward, again and again, until SIGTERM comes; then it says how
 * often. Fails when one of them has gone back.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static const struct {
	clockid_t id;
	const char *name;
} clocks[] = {
	{ CLOCK_MONOTONIC, "monotonic" },
	{ CLOCK_MONOTONIC_RAW, "monotonic_raw" },
	{ CLOCK_MONOTONIC_COARSE, "monotonic_coarse" },
	{ CLOCK_BOOTTIME, "boottime" },
};

enum { CLOCKS = sizeof(clocks) / sizeof(clocks[0]) };

static volatile sig_atomic_t over;

static void end(int signal)
{
	(void)signal;
	over = 1;
}

static int64_t read_clock(int which)
{
	struct timespec now = { 0 };

	clock_gettime(clocks[which].id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int64_t last[CLOCKS] = { 0 };
	unsigned long rounds = 0;

	signal(SIGTERM, end);
	puts("ready");
	fflush(stdout);
	for (; !over; rounds++) {
		for (int which = 0; which < CLOCKS; which++) {
			int64_t now = read_clock(which);

			if (now < last[which]) {
				fprintf(stderr, "clocks: %s went back by %lld ns\n", clocks[which].name,
					(long long)(last[which] - now));
				return 1;
			}
			last[which] = now;
		}
		/* Mostly at once, since it is the moment of the suspend that counts; the others want to run, too. */
		if (rounds % 100 == 99)
			nanosleep(&pause, NULL);
	}
	fprintf(stderr, "clocks: read %lu times\n", rounds);
	return 0;
}
