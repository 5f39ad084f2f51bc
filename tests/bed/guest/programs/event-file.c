// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: event-file CASE [COUNT]
 *
 * /dev/xen/evtchn by its ioctls, as libxenevtchn uses it; two ports of this very guest bound to each other are enough.
 * "ports-and-wait" prints "ready" and then waits to be killed; "suspend" waits until the domain has become another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COMMAND(number, size) _IOC(_IOC_NONE, 'E', number, size)

enum { SELF = 0x7ff0, BIND_VIRQ = 0, BIND_INTERDOMAIN, BIND_UNBOUND, UNBIND, NOTIFY, RESET, RESTRICT, BIND_STATIC };

static void check(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "event-file: %s (errno %d)\n", what, errno);
		exit(1);
	}
}

static int open_events(int flags)
{
	int fd = open("/dev/xen/evtchn", O_RDWR | flags);

	check(fd >= 0, "cannot open /dev/xen/evtchn");
	return fd;
}

static int command(int fd, int number, uint32_t first, uint32_t second)
{
	static const int sizes[] = { 4, 8, 4, 4, 4, 0, 2, 4 };
	uint32_t argument[] = { first, second };

	return ioctl(fd, COMMAND(number, sizes[number]), argument);
}

/* The command must fail with this error. */
static void refused(int fd, int number, uint32_t first, uint32_t second, int error, const char *what)
{
	errno = 0;
	check(command(fd, number, first, second) < 0 && errno == error, what);
}

static int readable(int fd, int milliseconds)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, milliseconds) == 1;
}

/* The file's next port with an event. */
static uint32_t next(int fd)
{
	uint32_t port;

	check(readable(fd, 5000), "no event came");
	check(read(fd, &port, sizeof(port)) == sizeof(port), "read");
	return port;
}

static void unmask(int fd, uint32_t port)
{
	check(write(fd, &port, sizeof(port)) == sizeof(port), "write");
}

struct pair {
	uint32_t a, b;
};

/* A port of `a` bound to one of `b`. Binding raises an event on each. */
static struct pair bind_pair(int a, int b)
{
	int unbound = command(a, BIND_UNBOUND, SELF, 0), bound;

	check(unbound > 0, "BIND_UNBOUND_PORT");
	bound = command(b, BIND_INTERDOMAIN, SELF, unbound);
	check(bound > 0, "BIND_INTERDOMAIN");
	return (struct pair){ unbound, bound };
}

/* Reads and opens all that there is, so that what comes next is new. */
static void quiet(int fd)
{
	while (readable(fd, 200))
		unmask(fd, next(fd));
}

static void ping_pong(void)
{
	int a = open_events(0), b = open_events(0);
	struct pair pair = bind_pair(a, b);

	quiet(a);
	quiet(b);
	for (int i = 0; i < 200; i++) {
		check(command(a, NOTIFY, pair.a, 0) == 0, "NOTIFY");
		check(next(b) == pair.b, "another port");
		check(command(b, NOTIFY, pair.b, 0) == 0, "NOTIFY");
		check(next(a) == pair.a, "another port");
		unmask(a, pair.a);
		unmask(b, pair.b);
	}
	/* A port stays masked until it is written; what came meanwhile is one event, and is not lost. */
	command(a, NOTIFY, pair.a, 0);
	check(next(b) == pair.b, "another port");
	for (int i = 0; i < 100; i++)
		command(a, NOTIFY, pair.a, 0);
	check(!readable(b, 200), "an event of a masked port");
	unmask(b, pair.b);
	check(next(b) == pair.b, "another port");
	unmask(b, pair.b);
	check(!readable(b, 200), "an event too many");
	/* A reset forgets what was not read. */
	command(a, NOTIFY, pair.a, 0);
	check(readable(b, 5000), "no event came");
	check(command(b, RESET, 0, 0) == 0, "RESET");
	check(!readable(b, 200), "an event after the reset");
	check(command(b, UNBIND, pair.b, 0) == 0, "UNBIND");
	refused(b, UNBIND, pair.b, 0, ENOTCONN, "UNBIND twice");
}

static void refusals(void)
{
	int a = open_events(O_NONBLOCK), b = open_events(0);
	struct pair pair = bind_pair(a, a);
	uint32_t port;

	check(ioctl(a, COMMAND(8, 4), &port) < 0 && errno == ENOSYS, "a command that is none");
	check(ioctl(a, COMMAND(NOTIFY, 8), &port) < 0 && errno == ENOSYS, "a command of another size");
	refused(b, NOTIFY, pair.a, 0, ENOTCONN, "NOTIFY of another's port");
	refused(b, UNBIND, pair.a, 0, ENOTCONN, "UNBIND of another's port");
	refused(a, NOTIFY, 0xffffffff, 0, ENOTCONN, "NOTIFY of no port");
	refused(b, BIND_INTERDOMAIN, 0x10000, 1, EINVAL, "a domain that is none");
	refused(b, BIND_STATIC, pair.a, 0, EBUSY, "BIND_STATIC of another's port");
	check(command(b, BIND_VIRQ, 9999, 0) < 0, "a VIRQ that is none");
	unmask(b, pair.a);
	check(read(a, &port, 3) == 0, "a read of less than a port");
	quiet(a);
	check(read(a, &port, 4) < 0 && errno == EAGAIN, "a read of nothing does not say EAGAIN");
	refused(b, RESTRICT, 0, 0, EINVAL, "RESTRICT to dom0");
	check(command(b, RESTRICT, 7, 0) == 0, "RESTRICT");
	refused(b, RESTRICT, 7, 0, EACCES, "RESTRICT twice");
	refused(b, BIND_UNBOUND, SELF, 0, EACCES, "a port outside of the restriction");
	refused(b, BIND_VIRQ, 1, 0, EACCES, "a VIRQ in a restricted file");
}

/* The debug interrupt, which belongs to vCPU 0. */
static void virq(void)
{
	int fd = open_events(0), port = command(fd, BIND_VIRQ, 1, 0);

	check(port > 0, "BIND_VIRQ");
	refused(fd, BIND_VIRQ, 1, 0, EEXIST, "BIND_VIRQ twice");
	check(command(fd, UNBIND, port, 0) == 0, "UNBIND");
	check(command(fd, BIND_VIRQ, 1, 0) > 0, "BIND_VIRQ again");
}

static void ports_and_wait(int count)
{
	int a = open_events(0), b = open_events(0);

	for (int i = 0; i < count; i++) {
		struct pair pair = bind_pair(a, b);

		command(a, NOTIFY, pair.a, 0);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

/* In another domain the ports are gone, and the file says so until it has one again. */
static void suspend(void)
{
	int fd = open_events(O_NONBLOCK);
	struct pair pair = bind_pair(fd, fd);
	struct pollfd lost = { .fd = fd, .events = POLLIN };
	uint32_t port;

	quiet(fd);
	puts("ready");
	fflush(stdout);
	check(poll(&lost, 1, 600000) == 1 && lost.revents & POLLERR, "poll does not tell of lost ports");
	errno = 0;
	check(read(fd, &port, sizeof(port)) < 0 && errno == EIO, "read does not tell of lost ports");
	refused(fd, NOTIFY, pair.a, 0, ENOTCONN, "NOTIFY of a lost port");
	refused(fd, UNBIND, pair.b, 0, ENOTCONN, "UNBIND of a lost port");
	pair = bind_pair(fd, fd);
	quiet(fd);
	check(command(fd, NOTIFY, pair.a, 0) == 0, "NOTIFY");
	check(next(fd) == pair.b, "another port");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	alarm(!strcmp(name, "suspend") ? 600 : 120);
	if (!strcmp(name, "ping-pong"))
		ping_pong();
	else if (!strcmp(name, "refusals"))
		refusals();
	else if (!strcmp(name, "virq"))
		virq();
	else if (!strcmp(name, "suspend"))
		suspend();
	else if (!strcmp(name, "ports-and-wait"))
		ports_and_wait(argc > 2 ? atoi(argv[2]) : 1);
	else
		check(0, "no such case");
	return 0;
}
