CORE := M0
NODE_KERNELS := window,mean,rms,peak,p2p,crest,kurtosis,count,moments,minmax,quantiles
# 12 KB of RAM with the stack: two standing jobs at a time.
FLAGS := -DATOLL_WORKER_JOBS=2
# 48 KB of flash: what these do for speed costs half a percent of code.
FLAGS += -fno-inline-functions-called-once -fno-tree-sra -fno-tree-loop-im -fno-code-hoisting -fno-tree-pre
PARTS := microbit/clock tick_nrf51 uart_nrf51 watchdog_nrf51 flash_nrf51
SAMPLES := samples_nrf51
