"""The AXI front end: AXI4-Lite for accesses, AXI4-Stream for samples and predictions."""
