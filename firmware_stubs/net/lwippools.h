/* What lwIP's `mem_malloc` draws from, smallest first: acknowledgements and ARP; two whole segments, the
 * frame made of one, and DHCP's message. No guard: lwIP includes it many times. */
LWIP_MALLOC_MEMPOOL_START
LWIP_MALLOC_MEMPOOL(4, 112)
LWIP_MALLOC_MEMPOOL(4, 632)
LWIP_MALLOC_MEMPOOL_END
