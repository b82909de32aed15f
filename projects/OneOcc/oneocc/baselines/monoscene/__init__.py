"""What MonoScene has beside the parts that every image method shares."""
