
from tests.contract.journey import script
from tests.contract.journey.journey import Site
import json
async def test_x(site: Site) -> None:
    keep=[]
    J=script.Journey
    def make(*a):
        keep.append(J(*a)); return keep[0]
    script.Journey=make
    try:
        await script.run(site)
    finally:
        open('/tmp/facts_py.json','w').write(json.dumps(keep[0].facts,indent=1,default=str,ensure_ascii=False))
