"""The UART front end: framed requests on a serial line, executed on the core's host port."""
