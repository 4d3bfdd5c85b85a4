/* What lwIP's `mem_malloc` draws from, smallest first: acknowledgements and ARP, whole segments and
 * DHCP. No guard: lwIP includes it many times. */
LWIP_MALLOC_MEMPOOL_START
LWIP_MALLOC_MEMPOOL(4, 112)
LWIP_MALLOC_MEMPOOL(5, 632)
LWIP_MALLOC_MEMPOOL_END
