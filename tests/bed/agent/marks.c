// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rendezvous marks: `sync_send NAME` on one side lets every `sync_wait NAME`
 * on the other go on. A mark that was sent stays sent.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_LIMIT 100

static int waiters;

static int name_ok(const char *name, size_t len)
{
	if (len == 0 || len > NAME_LIMIT || name[0] == '.')
		return 0;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] == '/' || name[i] > '~')
			return 0;
	return 1;
}

int marks_open(void)
{
	mkdir("/run", 0755);
	mkdir(RUN_DIR, 0755);
	mkdir(MARK_DIR, 0755);
	if (mkfifo(CONTROL, 0600) < 0 && errno != EEXIST)
		return -1;
	/* Opened both ways, so that it never reports end of file. */
	return open(CONTROL, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

void mark_set(const char *name, size_t len)
{
	char path[NAME_LIMIT + sizeof(MARK_DIR) + 2];
	int fd;

	if (!name_ok(name, len))
		return;
	snprintf(path, sizeof(path), "%s/%.*s", MARK_DIR, (int)len, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

/*
 * One line of the control pipe: "S name"; "W" (a waiter came) or "w" (it went);
 * in dom0 "A domid" and "D", for scripts that save, restore or migrate the guest.
 */
static void control_line(const char *line, size_t len)
{
	if (len > 2 && line[0] == 'S')
		send_frame(FRAME_SENT, 0, line + 2, len - 2);
	else if (len == 1 && line[0] == 'W')
		waiters++;
	else if (len == 1 && line[0] == 'w' && waiters > 0)
		waiters--;
	else if (len > 2 && line[0] == 'A')
		guest_move((uint32_t)strtoul(line + 2, NULL, 10));
	else if (len == 1 && line[0] == 'D')
		guest_detach();
}

void marks_control(int fd)
{
	char text[4096];
	ssize_t len = read(fd, text, sizeof(text));

	for (ssize_t at = 0; at < len;) {
		char *end = memchr(text + at, '\n', (size_t)(len - at));

		if (!end)
			break;
		control_line(text + at, (size_t)(end - text - at));
		at = end - text + 1;
	}
}

int marks_waiters(void)
{
	return waiters;
}

static int control_write(const char *text)
{
	int fd = open(CONTROL, O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		perror("xenbed: " CONTROL);
		return 1;
	}
	write_all(fd, text, strlen(text));
	close(fd);
	return 0;
}

int mark_send_main(const char *name)
{
	char line[NAME_LIMIT + 8];

	if (!name || !name_ok(name, strlen(name))) {
		fprintf(stderr, "usage: sync_send NAME (letters, digits, - and _, no slash)\n");
		return 2;
	}
	snprintf(line, sizeof(line), "S %s\n", name);
	return control_write(line);
}

int guest_detach_main(void)
{
	return control_write("D\n");
}

int guest_attach_main(const char *domid)
{
	char line[32];

	if (!domid || strspn(domid, "0123456789") != strlen(domid) || strlen(domid) > 5) {
		fprintf(stderr, "usage: guest-attach DOMID\n");
		return 2;
	}
	snprintf(line, sizeof(line), "A %s\n", domid);
	return control_write(line);
}

/* Waits for the mark's file; returns 0 when it is there, 1 after the deadline. */
static int wait_for(int notify, const char *path, time_t deadline)
{
	struct pollfd fd = { .fd = notify, .events = POLLIN };
	char events[4096];

	for (;;) {
		struct timespec now;

		if (access(path, F_OK) == 0)
			return 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= deadline)
			return 1;
		if (poll(&fd, 1, 1000) > 0 && read(notify, events, sizeof(events)) < 0)
			return 1;
	}
}

int mark_wait_main(const char *name, const char *seconds)
{
	char path[NAME_LIMIT + sizeof(MARK_DIR) + 2];
	long limit = seconds ? atol(seconds) : 300;
	struct timespec now;
	int notify, failed;

	if (!name || !name_ok(name, strlen(name))) {
		fprintf(stderr, "usage: sync_wait NAME [SECONDS]\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/%s", MARK_DIR, name);
	notify = inotify_init1(IN_CLOEXEC);
	if (notify < 0 || inotify_add_watch(notify, MARK_DIR, IN_CREATE) < 0) {
		perror("xenbed: watching " MARK_DIR);
		return 1;
	}
	if (control_write("W\n"))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	failed = wait_for(notify, path, now.tv_sec + limit);
	control_write("w\n");
	if (failed)
		fprintf(stderr, "sync_wait: no mark \"%s\" within %ld s\n", name, limit);
	return failed;
}
