"""OccFormer (Zhang et al., ICCV 2023) on panoramas: lift, dual-path encoder, mask decoder."""
