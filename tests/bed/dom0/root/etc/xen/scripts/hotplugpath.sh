# SPDX-License-Identifier: GPL-2.0-only
# Where Debian keeps Xen's programs; libxl's scripts expect this file.
sbindir="/usr/sbin"
bindir="/usr/bin"
LIBEXEC="/usr/lib/xen-4.20"
LIBEXEC_BIN="/usr/lib/xen-4.20/bin"
XEN_CONFIG_DIR="/etc/xen"
XEN_SCRIPT_DIR="/etc/xen/scripts"
XEN_LOCK_DIR="/var/lock"
XEN_RUN_DIR="/var/run/xen"
XEN_LOG_DIR="/var/log/xen"
XEN_LIB_DIR="/var/lib/xen"
