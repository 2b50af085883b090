"""Training without a host: samples from an SPI flash, and the requests that use them."""
