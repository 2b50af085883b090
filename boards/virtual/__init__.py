"""The virtual board: the generated Verilog under Verilator, behind the host link."""
