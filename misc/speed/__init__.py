"""What is measured, each beside a plain implementation of the same equations in the same run."""
