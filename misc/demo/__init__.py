"""The Demo data set: what its clips show, how they are drawn and described, and what experts see in their files."""
