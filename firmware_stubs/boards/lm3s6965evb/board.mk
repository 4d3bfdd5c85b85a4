CORE := M3
# Within 96 KB of flash and 32 KB of RAM beside the log with Ethernet: no models, no sketches.
NODE_KERNELS := window,abs,clip,scale,diff,biquad,envelope,fir,decimate,median,ema,detrend,taper,mean,rms,peak,p2p,crest,kurtosis,skewness,zero_crossings,slope,autocorr,spectrum,goertzel,lines,band,centroid,count,sum,moments,minmax,histogram,quantiles,threshold,ewma,cusum
PARTS := lm3s6965evb/clock tick_systick uart_pl011 watchdog_sp805 flash_ram
ETHERNET := ethernet_stellaris
