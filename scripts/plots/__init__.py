"""Pictures: one module for each subject, and one for how all of them look."""
