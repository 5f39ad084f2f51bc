// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: store-file CASE [COUNT]
 *
 * What xenstore's own tools never do to /dev/xen/xenbus, and what a test needs a process to hold while it is killed.
 * A case that ends in "-and-wait" prints "ready" and then waits to be killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ = 2, WATCH = 4, UNWATCH = 5, START = 6, END = 7, WRITE = 11, RM = 13, EVENT = 15, ERROR = 16, RESET = 21 };

struct header {
	uint32_t type, id, tx, len;
};

/* Nobody has memory there, which the compiler must not know. */
static void *volatile bad = (void *)8;

struct message {
	struct header header;
	char payload[4096];
};

static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "store-file: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, " (errno %d)\n", errno);
	exit(1);
}

static void check(int holds, const char *what)
{
	if (!holds)
		fail("%s", what);
}

static int open_store(int flags)
{
	int fd = open("/dev/xen/xenbus", O_RDWR | flags);

	check(fd >= 0, "cannot open /dev/xen/xenbus");
	return fd;
}

static size_t make(struct message *message, uint32_t type, uint32_t tx, const void *payload, uint32_t len)
{
	message->header = (struct header){ .type = type, .id = 77, .tx = tx, .len = len };
	memcpy(message->payload, payload, len);
	return sizeof(message->header) + len;
}

static void ask(int fd, uint32_t type, uint32_t tx, const void *payload, uint32_t len)
{
	struct message message;
	size_t size = make(&message, type, tx, payload, len);

	check(write(fd, &message, size) == (ssize_t)size, "a request was not taken");
}

static void get(int fd, void *to, size_t len)
{
	for (char *at = to; len;) {
		ssize_t got = read(fd, at, len);

		check(got > 0, "read");
		at += got;
		len -= got;
	}
}

/* The next message; its payload is given a NUL for string functions. */
static struct message *receive(int fd)
{
	static struct message message;

	get(fd, &message.header, sizeof(message.header));
	check(message.header.len < sizeof(message.payload), "a message that is too long");
	get(fd, message.payload, message.header.len);
	message.payload[message.header.len] = 0;
	return &message;
}

/* The reply to a request that must succeed, or must fail with this error. */
static const char *reply(int fd, uint32_t type, const char *error)
{
	struct message *message;

	do
		message = receive(fd);
	while (message->header.type == EVENT);
	if (error) {
		if (message->header.type != ERROR || strcmp(message->payload, error))
			fail("type %u \"%s\" instead of %s", message->header.type, message->payload, error);
	} else if (message->header.type != type) {
		fail("a reply of type %u \"%s\" instead of %u", message->header.type, message->payload, type);
	}
	check(message->header.id == 77, "the reply's id is another one");
	return message->payload;
}

static uint32_t start(int fd)
{
	ask(fd, START, 0, "", 1);
	return strtoul(reply(fd, START, NULL), NULL, 10);
}

static void end(int fd, uint32_t tx, const char *how, const char *error)
{
	ask(fd, END, tx, how, 2);
	reply(fd, END, error);
}

static int readable(int fd, int milliseconds)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, milliseconds) == 1;
}

/* One request byte by byte, its reply in pieces of three; then many in one write. */
static void pieces(void)
{
	struct message message;
	size_t size = make(&message, READ, 0, "name", 5);
	char batch[5 * sizeof(message)], *at = batch;
	int fd = open_store(0);

	for (size_t i = 0; i < size; i++)
		check(write(fd, (char *)&message + i, 1) == 1, "write one byte");
	size = sizeof(message.header) + strlen("guest");
	for (size_t i = 0; i < size; i += 3)
		get(fd, (char *)&message + i, size - i < 3 ? size - i : 3);
	check(message.header.type == READ && !memcmp(message.payload, "guest", 5), "the name is another one");
	for (int i = 0; i < 5; i++)
		at += make((struct message *)at, READ, 0, "name", 5);
	check(write(fd, batch, at - batch) == at - batch, "write five at once");
	for (int i = 0; i < 5; i++)
		check(!strcmp(reply(fd, READ, NULL), "guest"), "the name is another one");
}

/* Whatever makes no sense is refused, and what follows works. */
static void junk(void)
{
	static const uint32_t none[] = { EVENT, ERROR, 20, 0xffff, 0xffffffff };
	struct header header = { .type = READ, .len = 4097 };
	int fd = open_store(0);

	check(write(fd, &header, sizeof(header)) < 0 && errno == E2BIG, "a payload that is too long was taken");
	check(write(fd, bad, 16) < 0 && errno == EFAULT, "a bad pointer was taken");
	check(write(fd, "", 0) == 0, "nothing was not taken");
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		ask(fd, none[i], 0, "a", 2);
		reply(fd, 0, "ENOSYS");
	}
	ask(fd, WATCH, 0, "a", 2);
	reply(fd, 0, "EINVAL");
	ask(fd, WATCH, 0, "a//b\0t", 7);
	reply(fd, 0, "EINVAL");
	ask(fd, UNWATCH, 0, "a\0t", 4);
	reply(fd, 0, "ENOENT");
	ask(fd, READ, 0, "\xff", 2);
	reply(fd, 0, "EINVAL");
	ask(fd, READ, 0, "name", 5);
	check(readable(fd, 5000), "no reply");
	check(read(fd, bad, 16) < 0 && errno == EFAULT, "a bad pointer was read to");
	check(!strcmp(reply(fd, READ, NULL), "guest"), "the name is another one");
}

/* Nobody waits who does not want to, and what nobody reads has a bound. */
static void bounds(void)
{
	struct message message;
	size_t size = make(&message, READ, 0, "name", 5);
	int fd = open_store(O_NONBLOCK), taken = 0;

	check(read(fd, &message, 1) < 0 && errno == EAGAIN, "a read of nothing does not say EAGAIN");
	check(!readable(fd, 0), "nothing is readable");
	while (write(fd, &message, size) == (ssize_t)size)
		check(++taken < 1000, "requests are taken without end");
	check(errno == EAGAIN && taken == 16, "another number of requests was taken");
	check(fcntl(fd, F_SETFL, 0) == 0, "F_SETFL");
	for (int i = 0; i < taken; i++)
		check(!strcmp(reply(fd, READ, NULL), "guest"), "the name is another one");
	check(!readable(fd, 0), "there is one reply too many");
}

/* A transaction is its file's own, and there are so many. */
static void transactions(void)
{
	int a = open_store(0), b = open_store(0);
	uint32_t tx, many[8] = { 0 };

	ask(a, RM, 0, "data/own", 9);
	receive(a);
	tx = start(a);
	ask(b, WRITE, tx, "data/foreign\0x", 14);
	reply(b, 0, "ENOENT");
	end(b, tx, "T", "ENOENT");
	ask(a, WRITE, tx, "data/own\0yes", 12);
	reply(a, WRITE, NULL);
	ask(b, READ, 0, "data/own", 9);
	reply(b, 0, "ENOENT");
	end(a, tx, "x", "EINVAL");
	end(a, tx, "T", NULL);
	end(a, tx, "T", "ENOENT");
	ask(b, READ, 0, "data/own", 9);
	check(!strcmp(reply(b, READ, NULL), "yes"), "the transaction was not committed");
	for (int i = 0; i < 8; i++)
		many[i] = start(i % 2 ? a : b);
	ask(a, START, 0, "", 1);
	reply(a, 0, "ENOSPC");
	for (int i = 0; i < 8; i++)
		end(i % 2 ? a : b, many[i], "F", NULL);
	end(a, start(a), "F", NULL);
}

/* A flood of events that nobody reads folds into few, and a reset ends the file's own watches only. */
static void events(void)
{
	int a = open_store(0), b = open_store(0), writer = open_store(0), seen = 0, whole = 0;
	char request[64];

	ask(a, WATCH, 0, "data\0ta", 8);
	reply(a, WATCH, NULL);
	ask(a, WATCH, 0, "data\0ta", 8);
	reply(a, 0, "EEXIST");
	ask(b, WATCH, 0, "data\0tb", 8);
	reply(b, WATCH, NULL);
	check(!strcmp(receive(b)->payload, "data"), "the first event is another one");
	for (int i = 0; i < 100; i++) {
		int len = sprintf(request, "data/n%02d", i) + 1;

		ask(writer, WRITE, 0, request, len + sprintf(request + len, "%d", i));
		reply(writer, WRITE, NULL);
		check(!strcmp(receive(b)->payload, request), "a change was lost on who reads");
	}
	while (readable(a, 500)) {
		struct message *message = receive(a);

		check(message->header.type == EVENT, "not an event");
		seen++;
		whole += !strcmp(message->payload, "data");
	}
	check(seen <= 9 && whole, "a flood was not folded");
	ask(a, RESET, 0, "", 1);
	reply(a, RESET, NULL);
	ask(writer, WRITE, 0, "data/n00\0z", 10);
	reply(writer, WRITE, NULL);
	check(!readable(a, 300), "an event after the reset");
	ask(b, UNWATCH, 0, "data\0tb", 8);
	reply(b, UNWATCH, NULL);
}

static void wait_to_be_killed(void)
{
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static void transaction_and_wait(void)
{
	int fd = open_store(0);

	ask(fd, WRITE, start(fd), "data/open\0x", 11);
	reply(fd, WRITE, NULL);
	wait_to_be_killed();
}

static void watches_and_wait(int count)
{
	int fd = open_store(0);
	char request[64];

	for (int i = 0; i < count; i++) {
		int len = sprintf(request, "data/w%d", i) + 1;

		ask(fd, WATCH, 0, request, len + sprintf(request + len, "t%d", i) + 1);
		reply(fd, WATCH, NULL);
	}
	wait_to_be_killed();
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	alarm(120);
	if (!strcmp(name, "pieces"))
		pieces();
	else if (!strcmp(name, "junk"))
		junk();
	else if (!strcmp(name, "bounds"))
		bounds();
	else if (!strcmp(name, "transactions"))
		transactions();
	else if (!strcmp(name, "events"))
		events();
	else if (!strcmp(name, "transaction-and-wait"))
		transaction_and_wait();
	else if (!strcmp(name, "watches-and-wait"))
		watches_and_wait(argc > 2 ? atoi(argv[2]) : 1);
	else
		fail("no such case: %s", name);
	return 0;
}
