"""|<Ax, y> - <x, A.H y>| <= c eps ||Ax|| ||y||: reports on maps, and what their evidence is worth."""
