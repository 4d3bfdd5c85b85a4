/* lwIP as the node needs it: one TCP connection out, an address by DHCP or given. No system, no heap:
 * all memory is pools of fixed size. What is not said here is lwIP's default. */
#ifndef ATOLL_LWIPOPTS_H
#define ATOLL_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0 /* only the main loop calls it */
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 0
#define LWIP_NO_CTYPE_H 1
#define LWIP_HOOK_FILENAME "hooks.h"

#define LWIP_IPV6 0
#define IP_REASSEMBLY 0 /* TCP and DHCP never need it, and fragments are a way to eat memory */
#define IP_FRAG 0
#define IP_FORWARD 0
#define LWIP_RAW 0
#define LWIP_DNS 0 /* the identity block has addresses */
#define LWIP_IGMP 0
#define LWIP_DHCP 1
#define LWIP_DHCP_BOOTP_FILE 0
#define LWIP_DHCP_MAX_DNS_SERVERS 0
#define DHCP_DOES_ARP_CHECK 1
#define LWIP_NETIF_LINK_CALLBACK 0
#define LWIP_NETIF_STATUS_CALLBACK 0
#define ARP_QUEUEING 0 /* the newest packet waits for the answer, no more */
#define ARP_TABLE_SIZE 4

/* A received frame is one buffer, and done with before the next is taken. It holds 14 bytes of
 * Ethernet, 40 of IP and TCP, and a whole window: peers were seen that send more than the MSS we
 * announce (QEMU's user network), but none may send more than the window. That is one segment, which
 * is answered as soon as the node has it: a message of two takes a round trip more. */
#define TCP_MSS 536
#define TCP_WND TCP_MSS
#define PBUF_POOL_BUFSIZE (14 + 40 + TCP_WND + 2)
#define PBUF_POOL_SIZE 2
#define TCP_SND_BUF (2 * TCP_MSS)
#define TCP_SND_QUEUELEN 4
#define TCP_SNDQUEUELOWAT 2
#define MEMP_NUM_TCP_SEG 6 /* those, and one that is out of order */
#define MEMP_NUM_TCP_PCB 2 /* the second while an old one is being closed */
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_UDP_PCB 1 /* DHCP's */
#define MEMP_NUM_PBUF 2
#define TCP_QUEUE_OOSEQ 0 /* what comes out of order comes again */
#define LWIP_TCP_KEEPALIVE 1

#define MEM_ALIGNMENT 4
#define MEM_LIBC_MALLOC 0
#define MEMP_MEM_MALLOC 0
#define MEM_USE_POOLS 1
#define MEM_USE_POOLS_TRY_BIGGER_POOL 1
#define MEMP_USE_CUSTOM_POOLS 1

#endif
