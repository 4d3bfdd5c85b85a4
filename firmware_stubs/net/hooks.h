/* What lwIP asks us for. */
#ifndef ATOLL_LWIP_HOOKS_H
#define ATOLL_LWIP_HOOKS_H

/* The first sequence number of a connection: no counter that begins anew with each boot. */
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) atoll_interface_random()

#endif
