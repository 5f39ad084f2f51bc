// SPDX-License-Identifier: GPL-2.0-only
/* Commands run for the host, their output and their exit status. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS 16
#define RUN_ON_PTY 1
#define PUT_NEW 1
#define PUT_EXECUTABLE 2
/* No more output is read from a job while this much waits to be sent. */
#define OUTPUT_BACKLOG (256u * 1024u)

struct job {
	uint32_t id;
	pid_t pid;      /* 0: the slot is free */
	int output;     /* -1 after end of file */
	int input;      /* -1 after end of file */
	int exited;
	uint32_t status;
	int pollfd;     /* its place in the poll set, or -1 */
};

static struct job jobs[JOBS];

void write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t done = write(fd, at, len);

		if (done < 0) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			if (errno == EAGAIN)
				poll(&wait, 1, 1000);
			else if (errno != EINTR)
				return;
			continue;
		}
		at += done;
		len -= (size_t)done;
	}
}

static struct job *job_find(uint32_t id)
{
	for (int i = 0; i < JOBS; i++)
		if (jobs[i].pid && jobs[i].id == id)
			return &jobs[i];
	return NULL;
}

/* The job's process: starts the command with no signal blocked. */
static void exec_shell(const char *command)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static pid_t spawn_piped(struct job *job, const char *command)
{
	int input[2], output[2];
	pid_t pid;

	if (pipe2(input, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(output, O_CLOEXEC) < 0) {
		close(input[0]);
		close(input[1]);
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		setsid();
		dup2(input[0], 0);
		dup2(output[1], 1);
		dup2(output[1], 2);
		exec_shell(command);
	}
	close(input[0]);
	close(output[1]);
	job->input = input[1];
	job->output = output[0];
	return pid;
}

static pid_t spawn_on_pty(struct job *job, const char *command)
{
	int master;
	pid_t pid = forkpty(&master, NULL, NULL, NULL);

	if (pid == 0)
		exec_shell(command);
	if (pid > 0) {
		fcntl(master, F_SETFD, FD_CLOEXEC);
		job->output = master;
		job->input = dup(master);
		fcntl(job->input, F_SETFD, FD_CLOEXEC);
	}
	return pid;
}

void job_run(uint32_t id, const char *data, size_t len)
{
	struct job *job = NULL;
	char *command;
	pid_t pid = -1;

	for (int i = 0; i < JOBS && !job; i++)
		if (!jobs[i].pid)
			job = &jobs[i];
	command = len > 1 ? strndup(data + 1, len - 1) : NULL;
	if (job && command) {
		memset(job, 0, sizeof(*job));
		pid = (data[0] & RUN_ON_PTY) ? spawn_on_pty(job, command) : spawn_piped(job, command);
	}
	free(command);
	if (pid < 0) {
		uint32_t status = 126;

		send_error("cannot start job %u: %s", id, job ? strerror(errno) : "too many jobs");
		send_frame(FRAME_EXIT, id, &status, sizeof(status));
		return;
	}
	job->id = id;
	job->pid = pid;
	fcntl(job->output, F_SETFL, O_NONBLOCK);
}

void job_stdin(uint32_t id, const char *data, size_t len)
{
	struct job *job = job_find(id);

	if (!job || job->input < 0)
		return;
	if (len > 0) {
		write_all(job->input, data, len);
		return;
	}
	close(job->input);
	job->input = -1;
}

void job_kill(uint32_t id)
{
	struct job *job = job_find(id);

	if (job)
		kill(-job->pid, SIGKILL);
}

/* Sends what the job has printed; returns 0 when no more will come now. */
static int job_output(struct job *job)
{
	char text[16384];
	ssize_t len;

	if (job->output < 0)
		return 0;
	len = read(job->output, text, sizeof(text));
	if (len > 0) {
		send_frame(FRAME_OUTPUT, job->id, text, (size_t)len);
		return 1;
	}
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	close(job->output);
	job->output = -1;
	return 0;
}

/* Reports an ended job after the last of its output. */
static void job_finish(struct job *job)
{
	while (job_output(job))
		;
	send_frame(FRAME_EXIT, job->id, &job->status, sizeof(job->status));
	if (job->output >= 0)
		close(job->output);
	if (job->input >= 0)
		close(job->input);
	job->pid = 0;
}

void jobs_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < JOBS; i++) {
			if (jobs[i].pid != pid)
				continue;
			jobs[i].status = WIFSIGNALED(status) ? 128u + (uint32_t)WTERMSIG(status)
							     : (uint32_t)WEXITSTATUS(status);
			job_finish(&jobs[i]);
		}
	}
}

int jobs_running(void)
{
	int count = 0;

	for (int i = 0; i < JOBS; i++)
		count += jobs[i].pid != 0;
	return count;
}

int jobs_poll_add(struct pollfd *fds, int max)
{
	int count = 0;

	for (int i = 0; i < JOBS && count < max; i++) {
		jobs[i].pollfd = -1;
		if (!jobs[i].pid || jobs[i].output < 0 || queue_len(&host.out) > OUTPUT_BACKLOG)
			continue;
		fds[count].fd = jobs[i].output;
		fds[count].events = POLLIN;
		jobs[i].pollfd = count++;
	}
	return count;
}

void jobs_poll_done(const struct pollfd *fds, int count)
{
	for (int i = 0; i < JOBS; i++) {
		int at = jobs[i].pollfd;

		if (jobs[i].pid && at >= 0 && at < count && fds[at].revents)
			job_output(&jobs[i]);
		jobs[i].pollfd = -1;
	}
}

/* Makes the folders that lead to a path. */
static void make_parents(char *path)
{
	for (char *at = path + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
}

void put_file(const char *data, size_t len)
{
	uint16_t path_len;
	char path[512];
	int flags, fd;

	if (len < 3)
		return;
	memcpy(&path_len, data + 1, sizeof(path_len));
	if (path_len >= sizeof(path) || 3u + path_len > len)
		return;
	memcpy(path, data + 3, path_len);
	path[path_len] = '\0';
	flags = O_WRONLY | O_CREAT | O_CLOEXEC | (data[0] & PUT_NEW ? O_TRUNC : O_APPEND);
	if (data[0] & PUT_NEW)
		make_parents(path);
	fd = open(path, flags, data[0] & PUT_EXECUTABLE ? 0755 : 0644);
	if (fd < 0) {
		send_error("cannot write %s: %s", path, strerror(errno));
		return;
	}
	write_all(fd, data + 3 + path_len, len - 3 - path_len);
	close(fd);
}
