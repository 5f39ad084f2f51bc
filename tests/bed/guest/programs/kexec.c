// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: kexec load|crash KERNEL INITRAMFS COMMAND-LINE
 *        kexec run
 *
 * Keeps a kernel ready: to be run by "run", or when this one crashes (in the memory that crashkernel= keeps for it).
 */
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(unsigned long flags, const char *kernel, const char *initramfs, const char *options)
{
	int kernel_fd = open(kernel, O_RDONLY);
	int initramfs_fd = open(initramfs, O_RDONLY);

	if (kernel_fd < 0 || initramfs_fd < 0)
		return -1;
	return (int)syscall(SYS_kexec_file_load, kernel_fd, initramfs_fd, strlen(options) + 1, options, flags);
}

int main(int argc, char **argv)
{
	int err = -1;

	if (argc == 5 && !strcmp(argv[1], "load"))
		err = load(0, argv[2], argv[3], argv[4]);
	else if (argc == 5 && !strcmp(argv[1], "crash"))
		err = load(KEXEC_FILE_ON_CRASH, argv[2], argv[3], argv[4]);
	else if (argc == 2 && !strcmp(argv[1], "run"))
		err = (int)syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	else
		fprintf(stderr, "usage: kexec load|crash KERNEL INITRAMFS COMMAND-LINE | kexec run\n");
	if (err < 0)
		perror("kexec");
	return err < 0;
}
