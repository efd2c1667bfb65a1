/* control.c - messages between a host and its template: see control.h */
#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Aligned as a control message wants it. */
union ancillary {
  struct cmsghdr align;
  char space[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
};

int control_send(int fd, const struct control *message, const int *fds,
                 int count, struct err *err) {
  struct iovec data = {(void *)(uintptr_t)message, sizeof *message};
  union ancillary ancillary = {0};
  struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1};
  if (count) {
    msg.msg_control = ancillary.space;
    msg.msg_controllen = sizeof ancillary.space;
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * (size_t)count);
  }
  for (;;) {
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return err_system(err, errno, "control message");
  }
}

int control_recv(int fd, struct control *message, int fds[CONTROL_FDS],
                 struct err *err) {
  struct iovec data = {message, sizeof *message};
  union ancillary ancillary;
  struct msghdr msg = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = ancillary.space,
                       .msg_controllen = sizeof ancillary.space};
  for (int i = 0; i < CONTROL_FDS; i++) fds[i] = -1;
  ssize_t len;
  do {
    len = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
  } while (len < 0 && errno == EINTR);
  if (len < 0 && errno != ECONNRESET) {
    return err_system(err, errno, "control message");
  }
  if (len < 0) return 0;
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
  if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
    memcpy(fds, CMSG_DATA(cmsg), cmsg->cmsg_len - CMSG_LEN(0));
  }
  if (!len) return 0;
  if (len != sizeof *message || msg.msg_flags & MSG_TRUNC) {
    return err_set(err, ERR_CRASH, "a control message of the wrong length");
  }
  return 1;
}
