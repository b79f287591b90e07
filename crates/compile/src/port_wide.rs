//! What holds for a Service port as a whole, where the first route that says it decides.

use waypoint_l4_config::{Otherwise, Time};

use crate::annotation::{DRAIN, OTHERWISE};
use crate::claim::Claim;
use crate::note::{Notes, Remark};
use crate::parent::Frontend;
use crate::route::Route;

/// What becomes of connections that no claim matches: the first that says it decides.
pub(crate) fn otherwise(claims: &[Claim<'_>], frontend: &Frontend, notes: &mut Notes) -> Otherwise {
    let taker = claims.iter().find(|claim| claim.matches.is_default());
    let mut decided = None::<(&Route, Otherwise)>;
    for Claim { route, .. } in claims {
        let Some(otherwise) = route.annotations.otherwise else {
            continue;
        };
        let (service, port) = (frontend.service.clone(), frontend.port);
        let remark = match (taker, decided) {
            _ if frontend.is_consumed_by(route) => Some(Remark::OthersConnections {
                annotation: OTHERWISE,
                service,
            }),
            (Some(taker), _) => (otherwise == Otherwise::Refuse).then(|| Remark::NothingLeftOver {
                service,
                port,
                taker: taker.route.id.clone(),
            }),
            (None, None) => {
                decided = Some((route, otherwise));
                None
            }
            (None, Some((winner, decided))) => (decided != otherwise).then(|| Remark::Overruled {
                annotation: OTHERWISE,
                service,
                port,
                winner: winner.id.clone(),
            }),
        };
        if let Some(remark) = remark {
            notes.add(Some(route.id.clone()), remark);
        }
    }
    decided.map_or_else(Otherwise::default, |(_, otherwise)| otherwise)
}

/// How long connections of a removed backend may go on: the first claim that says it decides.
pub(crate) fn drain(claims: &[Claim<'_>], frontend: &Frontend, notes: &mut Notes) -> Option<Time> {
    let annotation = DRAIN;
    let mut decided = None::<(&Route, Time)>;
    for Claim { route, .. } in claims {
        let Some(time) = route.annotations.drain else {
            continue;
        };
        let (service, port) = (frontend.service.clone(), frontend.port);
        let remark = match decided {
            _ if frontend.is_consumed_by(route) => Remark::OthersConnections {
                annotation,
                service,
            },
            Some((winner, decided)) if decided != time => Remark::Overruled {
                annotation,
                service,
                port,
                winner: winner.id.clone(),
            },
            Some(_) => continue,
            None => {
                decided = Some((route, time));
                continue;
            }
        };
        notes.add(Some(route.id.clone()), remark);
    }
    decided.map(|(_, time)| time)
}
