"""What all front ends with registers at addresses share, whatever their bus."""
