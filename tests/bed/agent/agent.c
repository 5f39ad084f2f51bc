// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_SET 24

struct transport host = { .fd = -1 };

/* dom0 only: the guest whose memory is mapped, where, and what it is still to get. */
static struct shared_link *guest;
static uint64_t guest_gfn;
static struct queue to_guest;

void queue_push(struct queue *q, const void *data, size_t len)
{
	if (q->start > 0 && q->start == q->end)
		q->start = q->end = 0;
	if (q->end + len > q->size) {
		memmove(q->data, q->data + q->start, queue_len(q));
		q->end -= q->start;
		q->start = 0;
	}
	if (q->end + len > q->size) {
		size_t size = (q->end + len) * 2;
		char *data_new = realloc(q->data, size);

		if (!data_new)
			_exit(111);
		q->data = data_new;
		q->size = size;
	}
	memcpy(q->data + q->end, data, len);
	q->end += len;
}

void queue_drop(struct queue *q, size_t len)
{
	q->start += len;
}

void send_frame(uint8_t kind, uint32_t job, const void *data, size_t len)
{
	struct frame frame = { .magic = FRAME_MAGIC, .kind = kind, .job = job, .len = (uint32_t)len };

	queue_push(&host.out, &frame, sizeof(frame));
	queue_push(&host.out, data, len);
}

void send_error(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_frame(FRAME_ERROR, 0, text, strlen(text));
}

void transport_flush(struct transport *t)
{
	while (queue_len(&t->out) > 0) {
		const char *data = t->out.data + t->out.start;
		ssize_t done;

		if (t->shared)
			done = (ssize_t)link_guest_write(t->shared, data, queue_len(&t->out));
		else
			done = write(t->fd, data, queue_len(&t->out));
		if (done <= 0)
			return;
		t->moved = 1;
		queue_drop(&t->out, (size_t)done);
	}
}

void transport_fill(struct transport *t)
{
	static char data[65536];

	for (int rounds = 0; rounds < 16; rounds++) {
		ssize_t len;

		if (t->shared)
			len = (ssize_t)link_guest_read(t->shared, data, sizeof(data));
		else
			len = read(t->fd, data, sizeof(data));
		if (len <= 0)
			return;
		t->moved = 1;
		queue_push(&t->in, data, (size_t)len);
	}
}

static void guest_attach(const char *data, size_t len)
{
	uint32_t domid;

	if (len != 12)
		return;
	memcpy(&domid, data, 4);
	memcpy(&guest_gfn, data + 4, 8);
	guest_move(domid);
}

void guest_detach(void)
{
	if (guest)
		link_close(guest);
	guest = NULL;
}

void guest_move(uint32_t domid)
{
	guest_detach();
	guest = link_open_foreign(domid, guest_gfn);
	if (!guest)
		send_error("cannot map memory of domain %u: %s", domid, strerror(errno));
}

/* Carries bytes between the guest and the host; returns 1 when some moved. */
static int guest_relay(void)
{
	static char data[FRAME_MAX];
	size_t len = 1;
	int moved = 0;

	if (!guest)
		return 0;
	while (queue_len(&to_guest) > 0 && len > 0) {
		len = link_dom0_write(guest, to_guest.data + to_guest.start, queue_len(&to_guest));
		queue_drop(&to_guest, len);
		moved |= len > 0;
	}
	while ((len = link_dom0_read(guest, data, sizeof(data))) > 0) {
		send_frame(FRAME_GUEST, 0, data, len);
		moved = 1;
	}
	return moved;
}

static void handle_frame(const struct frame *frame, const char *data)
{
	switch (frame->kind) {
	case FRAME_RUN:
		job_run(frame->job, data, frame->len);
		break;
	case FRAME_PUT:
		put_file(data, frame->len);
		break;
	case FRAME_STDIN:
		job_stdin(frame->job, data, frame->len);
		break;
	case FRAME_MARK:
		mark_set(data, frame->len);
		break;
	case FRAME_KILL:
		job_kill(frame->job);
		break;
	case FRAME_ATTACH:
		guest_attach(data, frame->len);
		break;
	case FRAME_GUEST:
		queue_push(&to_guest, data, frame->len);
		break;
	case FRAME_PING:
		send_frame(FRAME_PONG, frame->job, NULL, 0);
		break;
	default:
		send_error("unknown frame %u", frame->kind);
	}
}

static void handle_input(void)
{
	struct queue *in = &host.in;
	struct frame frame;

	while (queue_len(in) >= sizeof(frame)) {
		memcpy(&frame, in->data + in->start, sizeof(frame));
		if (frame.magic != FRAME_MAGIC || frame.len > FRAME_MAX) {
			/* Left-over bytes of a former connection: find the next frame. */
			queue_drop(in, 1);
			continue;
		}
		if (queue_len(in) < sizeof(frame) + frame.len)
			return;
		handle_frame(&frame, in->data + in->start + sizeof(frame));
		queue_drop(in, sizeof(frame) + frame.len);
	}
}

/* How long nothing may be looked at, in ms: shared memory has no interrupt. */
static int poll_timeout(int moved)
{
	if (moved)
		return host.shared ? 2 : 1;
	if (guest)
		return 10;
	if (!host.shared)
		return 1000;
	if (queue_len(&host.out) > 0)
		return 5;
	return jobs_running() && !marks_waiters() ? 100 : 20;
}

static void child_ended(int signal)
{
	(void)signal;
}

static void serve(int control)
{
	struct pollfd fds[POLL_SET];
	struct timespec timeout;
	sigset_t blocked, during;
	int moved = 0;

	/* SIGCHLD arrives only inside ppoll, so none is missed. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &during);
	signal(SIGCHLD, child_ended);
	send_frame(FRAME_HELLO, 0, NULL, 0);
	for (;;) {
		int ms = poll_timeout(moved);
		int count = jobs_poll_add(fds, POLL_SET - 2);
		int jobs = count;

		fds[count++] = (struct pollfd){ .fd = control, .events = POLLIN };
		if (!host.shared)
			fds[count++] = (struct pollfd){ .fd = host.fd, .events = (short)(POLLIN | (queue_len(&host.out) ? POLLOUT : 0)) };
		timeout = (struct timespec){ .tv_nsec = ms % 1000 * 1000000L, .tv_sec = ms / 1000 };
		if (ppoll(fds, (nfds_t)count, &timeout, &during) > 0) {
			jobs_poll_done(fds, jobs);
			if (fds[jobs].revents)
				marks_control(control);
			/* The host is not connected: POLLHUP would spin. */
			if (!host.shared && (fds[jobs + 1].revents & (POLLHUP | POLLIN)) == POLLHUP)
				usleep(20000);
		}
		host.moved = 0;
		transport_fill(&host);
		handle_input();
		moved = guest_relay();
		jobs_reap();
		transport_flush(&host);
		moved |= host.moved;
	}
}

static int guest_main(const char *gfn)
{
	host.shared = link_open_guest(strtoull(gfn, NULL, 0));
	if (!host.shared) {
		perror("xenbed agent: mapping the shared memory");
		return 1;
	}
	serve(marks_open());
	return 0;
}

static int dom0_main(const char *port)
{
	host.fd = open(port, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (host.fd < 0) {
		perror("xenbed agent: opening the port to the host");
		return 1;
	}
	serve(marks_open());
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

	if (!strcmp(name, "sync_send"))
		return mark_send_main(argv[1]);
	if (!strcmp(name, "sync_wait"))
		return mark_wait_main(argv[1], argc > 2 ? argv[2] : NULL);
	if (!strcmp(name, "guest-attach"))
		return guest_attach_main(argv[1]);
	if (!strcmp(name, "guest-detach"))
		return guest_detach_main();
	if (argc == 3 && !strcmp(argv[1], "guest"))
		return guest_main(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "dom0"))
		return dom0_main(argv[2]);
	fprintf(stderr, "usage: xenbed-agent guest FIRST_GFN | dom0 PORT\n");
	return 2;
}
