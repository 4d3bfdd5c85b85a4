/* Lets the disk below one folder fail while a program runs, when another process says so.
 *
 *     LD_PRELOAD=failing_disk.so FAIL_UNDER=folder FAIL_CONTROL=file program
 *
 * The control file holds four 32-bit integers, mapped and shared: how many more syncs
 * succeed before each one fails, the same for writes (negative: none fails), the errno,
 * and how often something has failed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
  int32_t syncs, writes, error, failed;
};

static volatile struct control *control;
static const char *folder;

static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);

__attribute__((constructor)) static void begin(void) {
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_write = dlsym(RTLD_NEXT, "write");
  real_writev = dlsym(RTLD_NEXT, "writev");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  const char *path = getenv("FAIL_CONTROL");
  folder = getenv("FAIL_UNDER");
  int handle = path == NULL || folder == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (handle < 0) {
    return;
  }
  void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
  close(handle);
  control = mapped == MAP_FAILED ? NULL : mapped;
}

static bool below(int handle) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  ssize_t length = readlink(link, path, sizeof path - 1);
  return length > 0 && strncmp(path, folder, strlen(folder)) == 0;
}

static bool fails(volatile int32_t *left, int handle) {
  if (control == NULL || *left < 0 || !below(handle)) {
    return false;
  }
  if (*left > 0) {
    --*left;
    return false;
  }
  ++control->failed;
  errno = control->error;
  return true;
}

int fsync(int handle) {
  return control && fails(&control->syncs, handle) ? -1 : real_fsync(handle);
}

int fdatasync(int handle) {
  return control && fails(&control->syncs, handle) ? -1 : real_fdatasync(handle);
}

ssize_t write(int handle, const void *data, size_t size) {
  return control && fails(&control->writes, handle) ? -1 : real_write(handle, data, size);
}

ssize_t writev(int handle, const struct iovec *pieces, int count) {
  return control && fails(&control->writes, handle) ? -1 : real_writev(handle, pieces, count);
}

ssize_t pwrite(int handle, const void *data, size_t size, off_t offset) {
  return control && fails(&control->writes, handle) ? -1
                                                    : real_pwrite(handle, data, size, offset);
}

ssize_t pwrite64(int handle, const void *data, size_t size, off_t offset)
    __attribute__((alias("pwrite")));
