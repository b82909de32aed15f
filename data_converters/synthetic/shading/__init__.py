"""What a ray that met something looks like: textures, light, sky."""
