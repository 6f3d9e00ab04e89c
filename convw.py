import sys; sys.path.insert(0,"/opt/dd/wt/paper")
import torch, time, collections
from torch import nn
from dd_tools.pipeline.models import load_renderer
from dd_tools.weights import default_weights
net=load_renderer(default_weights("renderer"), torch.device("cpu"), "auto").network
tot=collections.OrderedDict()
def hook(name):
    def h(m,i,o):
        x=i[0]
        with torch.inference_mode():
            d=9
            for _ in range(5):
                s=time.process_time(); m.forward(x); d=min(d,time.process_time()-s)
        k=m.weight[0].numel(); tot[name]=(tuple(x.shape),m.out_channels,m.kernel_size,x.is_contiguous(),x.is_contiguous(memory_format=torch.channels_last) if x.dim()==4 else None,d,2*o.numel()*k)
    return h
for n,m in net.unet.named_modules():
    if isinstance(m,(nn.Conv2d,nn.Conv1d)): m.register_forward_hook(hook(n))
B=8
with torch.inference_mode(): net(torch.rand(B,3,192,192),torch.ones(B,1,192,192),torch.rand(B,4,3,192,192),torch.randn(B,5,78),torch.rand(B,5,46,2))
print("conv ms/frame",1e3*sum(v[5] for v in tot.values())/B,"GFLOP/frame",sum(v[6] for v in tot.values())/B/1e9)
for n,v in sorted(tot.items(), key=lambda kv:-kv[1][5])[:22]: print(n,v[:5],f"{1e3*v[5]/B:.2f} ms/frame {v[6]/v[5]/1e9:.0f} GFLOPS")
