# MonoScene complete: with the 3D context relation prior and its relation loss. The prior works on the coarsest
# volume, the grid over 4; it adds 14.8 M parameters.
_base_ = './monoscene_quadsim.py'
model = dict(neck=dict(context_prior=dict(type='ContextRelationPrior')))
