"""What every room needs and nobody's subject is: files."""
