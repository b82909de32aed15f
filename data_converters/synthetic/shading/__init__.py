"""What a ray that met something looks like: textures, light, sky."""

from data_converters.synthetic.shading.shading import SHADOW_REACH, shade_all

__all__ = ['SHADOW_REACH', 'shade_all']
