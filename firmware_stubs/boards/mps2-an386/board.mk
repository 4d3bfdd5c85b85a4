CORE := M4
PARTS := clock_none tick_systick uart_cmsdk watchdog_sp805 flash_ram
ETHERNET := ethernet_lan9118
