"""`python -m next_version serve`: the service's own command, of a version that has more migrations.

They are those in the folder NEXT_MIGRATIONS. Nothing of this is in the service: the folder that its functions read by
default is another one in this process alone.
"""

import os
from pathlib import Path

from service.__main__ import main
from service.db import migrate

if __name__ == "__main__":
    folder = Path(os.environ["NEXT_MIGRATIONS"])
    for function in (migrate.read_migrations, migrate.migrate):
        assert function.__defaults__ == (migrate.MIGRATIONS,)
        function.__defaults__ = (folder,)
    main()
