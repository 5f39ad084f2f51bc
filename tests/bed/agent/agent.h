/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test bed's agent: one static program that runs as the guest's init and
 * as a daemon in dom0, and carries commands, files, output and rendezvous
 * marks between the host's xenbed and the scripts it runs there.
 */
#ifndef XENBED_AGENT_H
#define XENBED_AGENT_H

#include <stddef.h>
#include <stdint.h>

/* Kept equal to src/wire.rs. */
#define FRAME_MAGIC 0x5842u
#define FRAME_MAX   65536u

enum frame_kind {
	/* host to agent */
	FRAME_RUN = 1,    /* job; u8 flags (1: on a pseudo-terminal), command for sh -c */
	FRAME_PUT = 2,    /* u8 flags (1: start the file anew, 2: executable), u16 path length, path, data */
	FRAME_STDIN = 3,  /* job; data, empty for end of file */
	FRAME_MARK = 4,   /* name of a rendezvous mark that the other side has sent */
	FRAME_KILL = 5,   /* job */
	FRAME_ATTACH = 6, /* dom0: u32 domid, u64 first gfn of the shared memory */
	FRAME_GUEST = 8,  /* both ways: bytes of the guest agent's own stream */
	FRAME_PING = 9,   /* answered by FRAME_PONG */
	/* agent to host */
	FRAME_OUTPUT = 17, /* job; data */
	FRAME_EXIT = 18,   /* job; u32 exit status as a shell gives it */
	FRAME_SENT = 19,   /* name of a mark sent by a script here */
	FRAME_PONG = 20,
	FRAME_HELLO = 21,
	FRAME_ERROR = 22,  /* text */
};

struct frame {
	uint16_t magic;
	uint8_t kind;
	uint8_t zero;
	uint32_t job;
	uint32_t len;
} __attribute__((packed));

/* A growing first-in first-out byte queue. */
struct queue {
	char *data;
	size_t start, end, size;
};

void queue_push(struct queue *q, const void *data, size_t len);
void queue_drop(struct queue *q, size_t len);
static inline size_t queue_len(const struct queue *q)
{
	return q->end - q->start;
}

/* Where this agent's own stream goes: a file descriptor or shared memory. */
struct transport {
	int fd;                 /* virtio-serial port, or -1 */
	struct shared_link *shared; /* guest: the memory shared with dom0 */
	struct queue out, in;
	int moved;              /* bytes went either way in this round */
};

extern struct transport host;

void send_frame(uint8_t kind, uint32_t job, const void *data, size_t len);
void send_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void transport_flush(struct transport *t);
void transport_fill(struct transport *t);

/* dom0: follow the guest to its next domain id, or let go of its memory. */
void guest_move(uint32_t domid);
void guest_detach(void);

/* jobs.c */
struct pollfd;
void job_run(uint32_t id, const char *data, size_t len);
void job_stdin(uint32_t id, const char *data, size_t len);
void job_kill(uint32_t id);
void jobs_reap(void);
int jobs_poll_add(struct pollfd *fds, int max);
void jobs_poll_done(const struct pollfd *fds, int count);
int jobs_running(void);
void put_file(const char *data, size_t len);
void write_all(int fd, const void *data, size_t len);

/* shared.c */
struct shared_link *link_open_guest(uint64_t gfn);
struct shared_link *link_open_foreign(uint32_t domid, uint64_t gfn);
void link_close(struct shared_link *link);
/* Each returns the number of bytes moved, 0 when empty or full. */
size_t link_guest_read(struct shared_link *link, void *data, size_t len);
size_t link_guest_write(struct shared_link *link, const void *data, size_t len);
size_t link_dom0_read(struct shared_link *link, void *data, size_t len);
size_t link_dom0_write(struct shared_link *link, const void *data, size_t len);

/* marks.c */
#define RUN_DIR  "/run/bed"
#define MARK_DIR RUN_DIR "/marks"
#define CONTROL  RUN_DIR "/control"
int marks_open(void);
void mark_set(const char *name, size_t len);
void marks_control(int fd);
int marks_waiters(void);
int guest_detach_main(void);
int guest_attach_main(const char *domid);
int mark_send_main(const char *name);
int mark_wait_main(const char *name, const char *seconds);

#endif
