/* Writes down what a process does to the files below one folder, in order.
 *
 *     LD_PRELOAD=file_recorder.so RECORD_UNDER=folder RECORD_TO=trace program
 *
 * One entry an operation: kind (1), 3 zeros, length of the path (4), offset (8),
 * length of the data (4), the path below the folder, the data. Numbers are
 * little-endian as the machine's. Kinds: w write, t truncate (offset is the
 * size), s sync of a file, d sync of a folder, c create, r remove, n rename
 * (data is the new path). Writes to the file "mark" are entries of kind m. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { FILES_MAX = 1024 };

static char paths[FILES_MAX][256];
static int trace = -1;
static const char *folder;
static size_t folder_length;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

__attribute__((constructor)) static void begin(void) {
  const char *to = getenv("RECORD_TO");
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_open = dlsym(RTLD_NEXT, "open64");
  real_close = dlsym(RTLD_NEXT, "close");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  real_rename = dlsym(RTLD_NEXT, "rename");
  folder = getenv("RECORD_UNDER");
  if (to != NULL && folder != NULL) {
    folder_length = strlen(folder);
    trace = real_open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
}

static const char *inside(const char *path) {
  if (trace < 0 || path == NULL || strncmp(path, folder, folder_length) != 0) {
    return NULL;
  }
  path += folder_length;
  return *path == '/' ? path + 1 : *path == '\0' ? path : NULL;
}

static void note(char kind, const char *path, uint64_t offset, const void *data,
                 size_t size) {
  char head[20] = {kind};
  uint32_t length = (uint32_t)strlen(path), bytes = (uint32_t)size;
  memcpy(head + 4, &length, 4);
  memcpy(head + 8, &offset, 8);
  memcpy(head + 16, &bytes, 4);
  if (real_write(trace, head, sizeof head) < 0 ||
      real_write(trace, path, length) < 0 ||
      (size > 0 && real_write(trace, data, size) < 0)) {
    abort();
  }
}

static const char *known(int file) {
  return trace >= 0 && file >= 0 && file < FILES_MAX && paths[file][0] != '\0'
             ? paths[file] + 1
             : NULL;
}

static int opened(int file, const char *path, bool created) {
  const char *name = inside(path);
  if (file >= 0 && file < FILES_MAX && name != NULL) {
    snprintf(paths[file], sizeof paths[file], "+%s", name);
    if (created) {
      note('c', name, 0, "", 0);
    }
  }
  return file;
}

int open64(const char *path, int flags, ...) {
  va_list more;
  struct stat status;
  mode_t mode;
  bool created;
  va_start(more, flags);
  mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  created = (flags & O_CREAT) != 0 && inside(path) != NULL &&
            stat(path, &status) != 0;
  return opened(real_open(path, flags, mode), path, created);
}

int open(const char *path, int flags, ...)
    __attribute__((alias("open64")));

int close(int file) {
  if (file >= 0 && file < FILES_MAX) {
    paths[file][0] = '\0';
  }
  return real_close(file);
}

ssize_t write(int file, const void *data, size_t size) {
  const char *name = known(file);
  uint64_t offset = name != NULL ? (uint64_t)lseek(file, 0, SEEK_CUR) : 0;
  ssize_t done = real_write(file, data, size);
  if (name != NULL && done > 0) {
    note(strcmp(name, "mark") == 0 ? 'm' : 'w', name, offset, data,
         (size_t)done);
  }
  return done;
}

ssize_t pwrite64(int file, const void *data, size_t size, off_t offset) {
  ssize_t done = real_pwrite(file, data, size, offset);
  const char *name = known(file);
  if (name != NULL && done > 0) {
    note('w', name, (uint64_t)offset, data, (size_t)done);
  }
  return done;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset)
    __attribute__((alias("pwrite64")));

static int synced(int file, int (*sync)(int)) {
  const char *name = known(file);
  struct stat status;
  int result = sync(file);
  if (name != NULL && result == 0 && fstat(file, &status) == 0) {
    note(S_ISDIR(status.st_mode) ? 'd' : 's', name, 0, "", 0);
  }
  return result;
}

int fsync(int file) { return synced(file, real_fsync); }

int fdatasync(int file) { return synced(file, real_fdatasync); }

int ftruncate64(int file, off_t size) {
  int result = real_ftruncate(file, size);
  const char *name = known(file);
  if (name != NULL && result == 0) {
    note('t', name, (uint64_t)size, "", 0);
  }
  return result;
}

int ftruncate(int file, off_t size) __attribute__((alias("ftruncate64")));

int unlink(const char *path) {
  int result = real_unlink(path);
  if (inside(path) != NULL && result == 0) {
    note('r', inside(path), 0, "", 0);
  }
  return result;
}

int rename(const char *from, const char *to) {
  int result = real_rename(from, to);
  if (inside(from) != NULL && inside(to) != NULL && result == 0) {
    note('n', inside(from), 0, inside(to), strlen(inside(to)));
  }
  return result;
}
