CORE := M0
NODE_KERNELS := window,mean,rms,peak,p2p,crest,kurtosis,count,moments,minmax,quantiles
# 12 KB of RAM with the stack: two standing jobs at a time.
FLAGS := -DATOLL_WORKER_JOBS=2
PARTS := microbit/clock tick_nrf51 uart_nrf51 watchdog_nrf51 flash_nrf51
