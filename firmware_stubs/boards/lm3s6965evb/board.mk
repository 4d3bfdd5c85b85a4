CORE := M3
PARTS := lm3s6965evb/clock tick_systick uart_pl011 watchdog_sp805 flash_ram
ETHERNET := ethernet_stellaris
