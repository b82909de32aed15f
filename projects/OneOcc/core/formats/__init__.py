"""Every file format of the project, each written and read in one place. numpy, no mm*."""
